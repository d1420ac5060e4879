"""What bitsandbytes makes of weights in 4 bits, on the CPU.

    pip install bitsandbytes==0.50.2 torch==2.13.0 safetensors
    python3 test/goldens/quantization.py

Writes test/goldens/quantization.safetensors. For each shape: `SHAPE.weight`, and under `SHAPE.TYPE`: `packed` (as numbers), `absmax` in
float32, `values` (dequantised); with compress_statistics `double.absmax` (codes), `double.scales`, `double.offset`, `double.values`. And
`map`, the 8-bit dynamic map. Weights are bfloat16's values: the magnitudes' sum is then exact in any order, and their mean the same on every
CPU. The values of the largest shape are left out.
"""
import pathlib
import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file

generator = torch.Generator().manual_seed(4)
# whole blocks; a rest that fills no byte; a block of zeros; more blocks than one scale serves
weights = [torch.randn(24, 80, generator=generator), torch.randn(5, 13, generator=generator), torch.randn(4, 64, generator=generator), torch.randn(160, 128, generator=generator)]
weights[2][1] = 0
tensors = {"map": F.create_dynamic_map()}
for weight in weights:
    weight = weight.to(torch.bfloat16).float()
    name = "x".join(map(str, weight.shape))
    tensors[f"{name}.weight"] = weight.to(torch.bfloat16)
    for kind in ("nf4", "fp4"):
        packed, state = F.quantize_4bit(weight, blocksize=64, quant_type=kind)
        again, double = F.quantize_4bit(weight, blocksize=64, quant_type=kind, compress_statistics=True)
        assert torch.equal(packed, again)
        own = {"packed": packed.flatten(), "absmax": state.absmax, "double.absmax": double.absmax, "double.scales": double.state2.absmax, "double.offset": double.offset.reshape(1)}
        if weight.numel() < 2000:
            own |= {"values": F.dequantize_4bit(packed, state), "double.values": F.dequantize_4bit(packed, double)}
        tensors |= {f"{name}.{kind}.{key}": value.clone() if value.is_floating_point() else value.to(torch.float32).to(torch.bfloat16) for key, value in own.items()}
save_file({key: value.contiguous() for key, value in tensors.items()}, pathlib.Path(__file__).parent / "quantization.safetensors")
