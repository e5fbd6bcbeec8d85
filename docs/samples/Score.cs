// Score pictures with the graph of an inspector, by ONNX Runtime.
//
//     dotnet add package Microsoft.ML.OnnxRuntime
//     unzip widget.inspector model.onnx manifest.json
//     dotnet run model.onnx manifest.json picture.ppm another.ppm
//
// Pictures are PPM files here (P6, 8 bits): take the pixels from your camera or decoder, in the order red,
// green, blue.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

(int Height, int Width, byte[] Pixels) ReadPpm(string path)
{
    using var file = File.OpenRead(path);
    string Word()
    {
        var letters = "";
        for (var letter = file.ReadByte(); letter > ' '; letter = file.ReadByte()) letters += (char)letter;
        return letters;
    }
    var (magic, width, height, white) = (Word(), int.Parse(Word()), int.Parse(Word()), Word());
    if (magic != "P6" || white != "255") throw new InvalidDataException($"{path} is not a PPM file of 8 bits");
    var pixels = new byte[height * width * 3];
    file.ReadExactly(pixels);
    return (height, width, pixels);
}

Environment.SetEnvironmentVariable("ORT_DISABLE_TELEMETRY", "1"); // or ONNX Runtime reports to its maker
using var manifest = JsonDocument.Parse(File.ReadAllText(args[1]));
var threshold = manifest.RootElement.GetProperty("threshold").GetProperty("value").GetSingle();
using var session = new InferenceSession(args[0]);
foreach (var path in args.Skip(2))
{
    var (height, width, pixels) = ReadPpm(path);
    var input = new DenseTensor<byte>(pixels, new[] { 1, height, width, 3 });
    var inputs = new List<NamedOnnxValue> { NamedOnnxValue.CreateFromTensor("pictures", input) };
    using var outputs = session.Run(inputs, new[] { "score" });
    var score = outputs.First().AsEnumerable<float>().First();
    Console.WriteLine($"{path} {score:F6} {(score > threshold ? "reject" : "accept")}");
}
