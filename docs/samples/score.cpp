// Score pictures with the graph of an inspector, by OpenVINO.
//
//     unzip widget.inspector model.onnx
//     g++ -std=c++17 score.cpp -lopenvino -o score
//     ./score model.onnx 3.25 picture.ppm another.ppm
//
// The second argument is the threshold that `knowngood info` and manifest.json state. Pictures are PPM files
// here (P6, 8 bits), so that the sample needs no other library: take the pixels from your camera or decoder,
// in the order red, green, blue.

#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <openvino/openvino.hpp>

struct Picture {
    size_t height, width;
    std::vector<uint8_t> pixels;  // red, green, blue, row by row
};

Picture read_ppm(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    size_t width = 0, height = 0, white = 0;
    file >> magic >> width >> height >> white;
    file.get();
    if (!file || magic != "P6" || white != 255) throw std::runtime_error(path + " is not a PPM file of 8 bits");
    Picture picture{height, width, std::vector<uint8_t>(height * width * 3)};
    file.read(reinterpret_cast<char*>(picture.pixels.data()), picture.pixels.size());
    if (!file) throw std::runtime_error(path + " was cut off");
    return picture;
}

int main(int count, char* arguments[]) {
    if (count < 4) {
        std::cerr << "score MODEL THRESHOLD PICTURE...\n";
        return 2;
    }
    const float threshold = std::stof(arguments[2]);
    ov::Core core;
    // Not in bfloat16 or half precision, which some processors would choose.
    auto compiled = core.compile_model(arguments[1], "CPU", ov::hint::inference_precision(ov::element::f32));
    auto request = compiled.create_infer_request();
    for (int place = 3; place < count; ++place) {
        Picture picture = read_ppm(arguments[place]);
        ov::Tensor input(ov::element::u8, {1, picture.height, picture.width, 3}, picture.pixels.data());
        request.set_tensor("pictures", input);
        request.infer();
        const float score = request.get_tensor("score").data<float>()[0];
        std::cout << arguments[place] << ' ' << score << ' ' << (score > threshold ? "reject" : "accept") << '\n';
    }
}
