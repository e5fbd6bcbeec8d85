// Score pictures with the graph of an inspector, by onnxruntime-web, which also runs in a browser.
//
//     npm install onnxruntime-web
//     unzip widget.inspector model.onnx manifest.json
//     node score.mjs model.onnx manifest.json picture.ppm another.ppm
//
// Pictures are PPM files here (P6, 8 bits). In a browser take the pixels from a canvas, without the fourth
// value of each, which is its opacity.

import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

function readPpm(path) {
  const file = readFileSync(path);
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(file.subarray(0, 64).toString("latin1"));
  if (!header) throw new Error(`${path} is not a PPM file of 8 bits`);
  const [width, height] = [Number(header[1]), Number(header[2])];
  return { height, width, pixels: new Uint8Array(file.subarray(header[0].length)) };
}

const [model, manifest, ...pictures] = process.argv.slice(2);
const threshold = JSON.parse(readFileSync(manifest, "utf8")).threshold.value;
const session = await ort.InferenceSession.create(readFileSync(model));
for (const path of pictures) {
  const { height, width, pixels } = readPpm(path);
  const outputs = await session.run({ pictures: new ort.Tensor("uint8", pixels, [1, height, width, 3]) });
  const score = outputs.score.data[0];
  console.log(`${path} ${score.toFixed(6)} ${score > threshold ? "reject" : "accept"}`);
}
