import DczModel
import Foundation

/// A model that computes from the bytes of its `.dcz` file.
public final class Model {
    public struct Failure: Error {
        public let why: String
    }

    private let handle: OpaquePointer

    public init(_ file: Data) throws {
        var why = [CChar](repeating: 0, count: Int(DCZ_WHY))
        let opened = file.withUnsafeBytes { dcz_model_open($0.baseAddress, $0.count, &why) }
        guard let opened else { throw Failure(why: String(cString: why)) }
        handle = opened
    }

    deinit {
        dcz_model_close(handle)
    }

    public func predict(_ input: [Float]) throws -> [Float] {
        guard input.count == dcz_model_n_inputs(handle) else {
            throw Failure(why: "the model takes \(dcz_model_n_inputs(handle)) numbers")
        }
        var output = [Float](repeating: 0, count: dcz_model_n_outputs(handle))
        if let wrong = dcz_model_run(handle, input, &output) {
            throw Failure(why: String(cString: wrong))
        }
        return output
    }
}
