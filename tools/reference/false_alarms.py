"""Converts real architectures with the default check and says which of them are called wrong: every exit code but 0 is a false alarm, a refusal or a fault.

usage: false_alarms.py ONTRACE [--table FILE] [--most N] [--skip N] [--family NAME,...] [--only NAME,...] [--dtype f32,f16,bf16] [--format pt,pt2]
                       [--threads 1,2] [--seconds S] [--wheels FOLDER]      (needs torch, torchvision, timm, transformers, onnx, onnxruntime)
       false_alarms.py --markdown FILE

A line an architecture: family, name, dtype, format, threads, exit code, the largest share of a limit, which limit, nodes, seconds. `onnxruntime` is how far
the written file in ONNX Runtime is from the model in torch, relative to the largest value of the output. With --table each result is also appended to a
file as a JSON object, and what is in it already is passed over, so that a run can be stopped and gone on with. Random weights (seeded by the name),
none of them all zero; images of
64 or 96 pixels where the architecture takes them. With --wheels the networks with trained weights of trained_weights.py come first. --markdown prints
such a file as a table.
"""
import argparse, json, os, subprocess, sys, tempfile, time, warnings, zlib
from pathlib import Path

import trained_weights

TRAINED = "trained weights"
VISION = """alexnet googlenet resnet18 resnet50 resnext50_32x4d densenet121 squeezenet1_0 squeezenet1_1 mnasnet0_5 mnasnet1_0
mobilenet_v2 mobilenet_v3_small mobilenet_v3_large shufflenet_v2_x0_5 shufflenet_v2_x1_0 efficientnet_b0 efficientnet_b1 efficientnet_v2_s regnet_x_400mf
regnet_y_400mf regnet_y_800mf convnext_tiny swin_t swin_v2_t maxvit_t""".split()
SEGMENTATION = "fcn_resnet50 deeplabv3_mobilenet_v3_large lraspp_mobilenet_v3_large".split()
VIDEO = "r3d_18 mc3_18 r2plus1d_18".split()
TIMM = """vit_tiny_patch16_224 vit_small_patch32_224 deit_tiny_patch16_224 deit_tiny_distilled_patch16_224 deit3_small_patch16_224 cait_xxs24_224
convit_tiny crossvit_tiny_240 levit_128s mixer_s32_224 mixer_b32_224 resmlp_12_224 gmlp_ti16_224 convmixer_768_32 convnext_atto convnext_femto convnextv2_atto
poolformer_s12 poolformerv2_s12 edgenext_xx_small mobilevit_xxs mobilevitv2_050 efficientformer_l1 efficientformerv2_s0 efficientvit_b0 efficientvit_m0
fastvit_t8 repvgg_a0 repghostnet_050 ghostnet_100 ghostnetv2_100 mobileone_s0 hardcorenas_a fbnetc_100 spnasnet_100 mnasnet_small tinynet_e lcnet_050
mobilenetv4_conv_small mobilenetv3_small_050 rexnet_100 resnet10t resnet14t resnetv2_50 seresnet18 legacy_seresnet18 skresnet18 ecaresnet26t eca_nfnet_l0
nf_resnet26 resnest14d res2net50_14w_8s dla34 dla46_c hrnet_w18_small dpn48b vovnet39a ese_vovnet19b_dw selecsls42 cspresnet50 cspdarknet53 darknet17
inception_next_tiny xcit_nano_12_p16_224 volo_d1_224 visformer_tiny pit_ti_224 pvt_v2_b0 twins_svt_small coat_lite_tiny coatnet_nano_rw_224 maxvit_pico_rw_256
mvitv2_tiny nest_tiny swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 swiftformer_xs tiny_vit_5m_224 repvit_m1 sequencer2d_s focalnet_tiny_srf gcvit_xxtiny
davit_tiny hiera_tiny_224 caformer_s18 convformer_s18 metaformer_ppaa_s12_224 starnet_s1 shvit_s1 hgnet_tiny hgnetv2_b0 bat_resnext26ts botnet26t_256
lambda_resnet26t halonet26t sehalonet33ts gernet_s rdnet_tiny nextvit_small""".split()


def texts():
    import transformers as t

    size = dict(hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=128, vocab_size=199)
    causal = dict(size, num_key_value_heads=2, max_position_embeddings=64)
    yield "bert", t.BertModel, t.BertConfig(**size)
    yield "roberta", t.RobertaModel, t.RobertaConfig(**size)
    yield "camembert", t.CamembertModel, t.CamembertConfig(**size)
    yield "electra", t.ElectraModel, t.ElectraConfig(embedding_size=64, **size)
    yield "albert", t.AlbertModel, t.AlbertConfig(embedding_size=32, **size)
    yield "distilbert", t.DistilBertModel, t.DistilBertConfig(dim=64, n_layers=3, n_heads=4, hidden_dim=128, vocab_size=199)
    yield "mpnet", t.MPNetModel, t.MPNetConfig(**size)
    yield "squeezebert", t.SqueezeBertModel, t.SqueezeBertConfig(embedding_size=64, **size)
    yield "deberta", t.DebertaV2Model, t.DebertaV2Config(**size)
    yield "convbert", t.ConvBertModel, t.ConvBertConfig(embedding_size=64, **size)
    yield "fnet", t.FNetModel, t.FNetConfig(hidden_size=64, num_hidden_layers=3, intermediate_size=128, vocab_size=199)
    yield "gpt2", t.GPT2LMHeadModel, t.GPT2Config(n_embd=64, n_layer=3, n_head=4, vocab_size=199, n_positions=64)
    yield "gpt_neo", t.GPTNeoModel, t.GPTNeoConfig(hidden_size=64, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], vocab_size=199)
    yield "gpt_neox", t.GPTNeoXModel, t.GPTNeoXConfig(**size)
    yield "gptj", t.GPTJModel, t.GPTJConfig(n_embd=64, n_layer=3, n_head=4, rotary_dim=8, vocab_size=199, n_positions=64)
    yield "bloom", t.BloomModel, t.BloomConfig(hidden_size=64, n_layer=3, n_head=4, vocab_size=199)
    yield "opt", t.OPTModel, t.OPTConfig(hidden_size=64, num_hidden_layers=3, num_attention_heads=4, ffn_dim=128, vocab_size=199, word_embed_proj_dim=64)
    yield "llama", t.LlamaForCausalLM, t.LlamaConfig(**causal)
    yield "mistral", t.MistralModel, t.MistralConfig(**causal)
    yield "qwen2", t.Qwen2Model, t.Qwen2Config(**causal)
    yield "qwen3", t.Qwen3Model, t.Qwen3Config(head_dim=16, **causal)
    yield "gemma", t.GemmaModel, t.GemmaConfig(head_dim=16, **causal)
    yield "gemma2", t.Gemma2Model, t.Gemma2Config(head_dim=16, **causal)
    yield "phi", t.PhiModel, t.PhiConfig(**causal)
    yield "phi3", t.Phi3Model, t.Phi3Config(pad_token_id=0, **causal)
    yield "stablelm", t.StableLmModel, t.StableLmConfig(**causal)
    yield "starcoder2", t.Starcoder2Model, t.Starcoder2Config(**causal)
    yield "olmo", t.OlmoModel, t.OlmoConfig(**causal)
    yield "cohere", t.CohereModel, t.CohereConfig(**causal)
    yield "granite", t.GraniteModel, t.GraniteConfig(**causal)
    yield "falcon", t.FalconModel, t.FalconConfig(hidden_size=64, num_hidden_layers=3, num_attention_heads=4, vocab_size=199)
    yield "t5_encoder", t.T5EncoderModel, t.T5Config(d_model=64, d_kv=16, d_ff=128, num_layers=3, num_heads=4, vocab_size=199)
    yield "xglm", t.XGLMModel, t.XGLMConfig(d_model=64, ffn_dim=128, num_layers=3, attention_heads=4, vocab_size=199)


def visions():
    import transformers as t

    size = dict(hidden_size=64, num_hidden_layers=3, num_attention_heads=4, intermediate_size=128)
    image = dict(size, image_size=64, patch_size=16)
    yield "hf_vit", t.ViTModel, t.ViTConfig(**image), "image"
    yield "hf_deit", t.DeiTModel, t.DeiTConfig(**image), "image"
    yield "hf_beit", t.BeitModel, t.BeitConfig(**image), "image"
    yield "hf_data2vec_vision", t.Data2VecVisionModel, t.Data2VecVisionConfig(**image), "image"
    yield "hf_dinov2", t.Dinov2Model, t.Dinov2Config(**image), "image"
    yield "hf_ijepa", t.IJepaModel, t.IJepaConfig(**image), "image"
    yield "hf_vit_msn", t.ViTMSNModel, t.ViTMSNConfig(**image), "image"
    yield "hf_yolos", t.YolosModel, t.YolosConfig(**dict(image, image_size=[64, 64], num_detection_tokens=5)), "image"
    yield "hf_siglip_vision", t.SiglipVisionModel, t.SiglipVisionConfig(**image), "image"
    yield "hf_clip_vision", t.CLIPVisionModel, t.CLIPVisionConfig(**image), "image"
    yield "hf_resnet", t.ResNetModel, t.ResNetConfig(embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1]), "image"
    yield "hf_regnet", t.RegNetModel, t.RegNetConfig(embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], groups_width=8), "image"
    yield "hf_convnext", t.ConvNextModel, t.ConvNextConfig(hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1]), "image"
    yield "hf_segformer", t.SegformerModel, t.SegformerConfig(hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1]), "image"
    yield "hf_swin", t.SwinModel, t.SwinConfig(image_size=64, embed_dim=24, depths=[1, 1], num_heads=[2, 4], window_size=4), "image"
    yield "hf_swinv2", t.Swinv2Model, t.Swinv2Config(image_size=64, embed_dim=24, depths=[1, 1], num_heads=[2, 4], window_size=4), "image"
    yield "hf_swin2sr", t.Swin2SRModel, t.Swin2SRConfig(image_size=32, embed_dim=24, depths=[1, 1], num_heads=[2, 2], window_size=4), "image"
    yield "hf_cvt", t.CvtModel, t.CvtConfig(embed_dim=[16, 32, 48], num_heads=[1, 2, 3], depth=[1, 1, 2]), "image"
    yield "hf_mobilenet_v1", t.MobileNetV1Model, t.MobileNetV1Config(depth_multiplier=0.25, image_size=64), "image"
    yield "hf_mobilenet_v2", t.MobileNetV2Model, t.MobileNetV2Config(depth_multiplier=0.25, image_size=64), "image"
    yield "hf_dpt", t.DPTModel, t.DPTConfig(**dict(image, backbone_out_indices=[0, 1, 2, 2])), "image"
    yield "hf_vit_mae", t.ViTMAEModel, t.ViTMAEConfig(**dict(image, mask_ratio=0.0)), "image"
    yield "hf_poolformer", t.PoolFormerModel, t.PoolFormerConfig(hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1]), "image"
    yield "hf_pvt", t.PvtModel, t.PvtConfig(image_size=64, hidden_sizes=[16, 32, 48, 64], num_attention_heads=[1, 2, 3, 4], depths=[1, 1, 1, 1]), "image"
    yield "hf_bit", t.BitModel, t.BitConfig(embedding_size=16, hidden_sizes=[32, 32, 64, 64], depths=[1, 1, 1, 1], num_groups=4), "image"
    yield "hf_levit", t.LevitModel, t.LevitConfig(image_size=64, hidden_sizes=[16, 32, 48], num_attention_heads=[2, 2, 3], key_dim=[8, 8, 8]), "image"
    audio = dict(size, conv_dim=[16, 16, 16], conv_kernel=[10, 3, 3], conv_stride=[5, 2, 2], num_feat_extract_layers=3, num_conv_pos_embedding_groups=4)
    yield "hf_wav2vec2", t.Wav2Vec2Model, t.Wav2Vec2Config(**audio), "audio"
    yield "hf_wav2vec2_stable", t.Wav2Vec2Model, t.Wav2Vec2Config(**dict(audio, do_stable_layer_norm=True, feat_extract_norm="layer")), "audio"
    yield "hf_hubert", t.HubertModel, t.HubertConfig(**audio), "audio"
    yield "hf_unispeech", t.UniSpeechModel, t.UniSpeechConfig(**audio), "audio"
    yield "hf_wavlm", t.WavLMModel, t.WavLMConfig(**audio), "audio"
    yield "hf_sew", t.SEWModel, t.SEWConfig(**audio), "audio"
    yield "hf_data2vec_audio", t.Data2VecAudioModel, t.Data2VecAudioConfig(**dict(audio, conv_pos_kernel_size=3)), "audio"
    yield "hf_ast", t.ASTModel, t.ASTConfig(**dict(size, max_length=64, num_mel_bins=32)), "spectrogram"


def architectures():
    """Family, name, and what builds the model with an input."""
    import timm, torch, torchvision

    def image(size):
        return torch.randn(1, 3, size, size)

    yield "torchvision", "vit_b_16", lambda: (torchvision.models.vit_b_16(), image(224))
    for name in VISION:
        yield "torchvision", name, lambda name=name: (getattr(torchvision.models, name)(), image(224 if "swin" in name or "maxvit" in name else 96))
    for name in SEGMENTATION:
        make = getattr(torchvision.models.segmentation, name)
        yield "torchvision", name, lambda make=make: (make(weights=None, weights_backbone=None), image(96))
    for name in VIDEO:
        make = getattr(torchvision.models.video, name)
        yield "torchvision", name, lambda make=make: (make(), torch.randn(1, 3, 8, 64, 64))
    for name in TIMM:

        def build(name=name):
            try:
                return timm.create_model(name, img_size=64).eval(), image(64)
            except TypeError:
                model = timm.create_model(name)
                return model, image(96 if model.default_cfg["fixed_input_size"] is False else model.default_cfg["input_size"][-1])

        yield "timm", name, build
    inputs = {
        "text": lambda: torch.randint(0, 190, (1, 10)),
        "image": lambda: image(64),
        "audio": lambda: torch.randn(1, 1600),
        "spectrogram": lambda: torch.randn(1, 64, 32),
    }
    for name, cls, config, kind in [*((*row, "text") for row in texts()), *visions()]:

        def build(cls=cls, config=config, kind=kind):
            config._attn_implementation = "eager"
            return cls(config), inputs[kind]()

        yield "transformers", name, build


def wrapped(model):
    """A model whose output is its first tensor."""
    import torch

    class First(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            y = self.model(x)
            while not isinstance(y, torch.Tensor):
                y = next(iter(y.values())) if isinstance(y, dict) else y[0]
            return y

    return First().eval()


def trained(model, x):
    """The model with values as after training: an untrained one has weights and biases of 0 (torchvision's ViT answers 0), factors of 1e-6 that silence
    whole branches (layer scale), and batch norms that do not know their data, behind which nothing is left of the input after some layers."""
    import torch

    norms = [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.numel() and not parameter.count_nonzero():
                parameter.normal_(0, 0.02)
            elif parameter.numel() > 1 and (parameter == parameter.flatten()[0]).all() and parameter.abs().max() < 0.01:
                parameter.uniform_(0.1, 1)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
        if norms and x.is_floating_point() and x.dim() > 2:
            model.eval()
            for norm in norms:
                norm.train().momentum = 1.0
            try:
                model(torch.randn(4, *x.shape[1:]))
            finally:
                model.eval()
            for norm in norms:
                # A channel that is the same for four images is not for others.
                norm.running_var.clamp_(min=0.01 * float(norm.running_var.mean()))
    return model


def saved(build, dtype, format, folder, family):
    """The archive, and an input with the model's output."""
    import torch

    model, x = build()
    model = model.eval() if family == TRAINED else trained(model, x)
    to = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]
    model, x = wrapped(model).to(to), x.to(to) if x.is_floating_point() else x
    path = str(Path(folder) / f"m.{format}")
    with torch.no_grad():
        y = model(x)
        if format == "pt2":
            torch.export.save(torch.export.export(model, (x,)), path)
        else:
            torch.jit.trace(model, (x,), check_trace=False, strict=False).save(path)
    return path, x, y


def beside_torch(path, x, y):
    """How far ONNX Runtime is from torch, relative to the largest value; a reason where it cannot say."""
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        got = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0].astype(np.float64)
        expected = y.double().numpy()
        return float(np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-30))
    except Exception as error:
        return type(error).__name__


def archive(ontrace, path, x, y, threads, seconds):
    """What a conversion of a torch archive says, and how far the file is from torch."""
    shape = ",".join(map(str, x.shape))
    dtype = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", "int64": "i64"}[str(x.dtype).split(".")[1]]
    spec = [] if path.endswith("pt2") else ["-i", f"{shape}:{dtype}" + ("=int(0,190)" if dtype == "i64" else "")]
    out = str(Path(path).with_suffix(".onnx"))
    row = converted(ontrace, path, out, spec, threads, seconds)
    if row["exit"] == 0:
        row["onnxruntime"] = None if dtype == "bf16" else beside_torch(out, x, y)
    return row


def converted(ontrace, path, out, spec, threads, seconds):
    """What a conversion says, as a dictionary."""
    cores = sorted(os.sched_getaffinity(0))
    bound = None if threads == 0 else (lambda: os.sched_setaffinity(0, cores[:threads]))
    started = time.time()
    try:
        done = subprocess.run([ontrace, "convert", path, "-o", out, "--json", *spec], capture_output=True, text=True, timeout=seconds, preexec_fn=bound)
        code, text = done.returncode, done.stdout if done.returncode == 0 else done.stderr
    except subprocess.TimeoutExpired:
        code, text = "time", ""
    row = {"exit": code, "seconds": round(time.time() - started, 1)}
    report = json.loads(next((line for line in text.splitlines() if line.startswith("{")), "{}"))
    check = report.get("check") or {}
    outputs = check.get("outputs", [])
    row["share"] = max([o["share"] for o in outputs if isinstance(o["share"], float)] or [0.0])
    row["limit"] = ",".join(sorted({o["limit"] for o in outputs}))
    row["nodes"] = report.get("nodes")
    row["calls"] = len(check.get("calls", []))
    row["blake3"] = report.get("blake3", "")[:12]
    if code != 0:
        row["why"] = (report.get("message", text[-300:]) + " | " + str(report.get("help", "")))[:600]
    return row


def markdown(path):
    rows = [json.loads(line) for line in open(path)]
    rows.sort(key=lambda row: (["torchvision", "timm", "transformers", TRAINED].index(row["family"]), row["name"], row["dtype"], row["format"], row["threads"]))
    print("| family | architecture | dtype | archive | threads | nodes | worst share | limit | seconds | verdict |\n|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        share = f"{100 * row['share']:.0f} %" if row.get("limit") else ""
        verdict = "agrees" if row["exit"] == 0 else f"exit {row['exit']}: {row.get('why', '')[:120]}"
        cells = [row[key] for key in ("family", "name", "dtype", "format", "threads")] + [row.get("nodes") or "", share, row.get("limit", ""), row.get("seconds", ""), verdict]
        print("| " + " | ".join(str(cell).replace("|", "/").replace("\n", " ") for cell in cells) + " |")
    summary(rows)


def summary(rows):
    made = [row for row in rows if row["exit"] != "torch"]
    names = {row["name"] for row in made}
    agreed = [row for row in made if row["exit"] == 0]
    rounding = sum(row["limit"] == "rounding" for row in agreed)
    print(f"\n{len(names)} architectures, {len(made)} conversions: {len(agreed)} agree ({rounding} by what rounding explains), {len(made) - len(agreed)} do not")


def main():
    if sys.argv[1:2] == ["--markdown"]:
        return markdown(sys.argv[2])
    parser = argparse.ArgumentParser()
    parser.add_argument("ontrace")
    parser.add_argument("--table", default="")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--most", type=int, default=1000)
    for name, default in [("dtype", "f32"), ("format", "pt"), ("threads", "0"), ("only", ""), ("family", "")]:
        parser.add_argument("--" + name, default=default, type=lambda text: list(filter(None, text.split(","))))
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--wheels", default="")
    options = parser.parse_args()
    for name in ("dtype", "format", "threads", "only", "family"):
        value = getattr(options, name)
        setattr(options, name, list(filter(None, value.split(","))) if isinstance(value, str) else value)
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    keys = ("name", "dtype", "format", "threads")
    rows = [json.loads(line) for line in open(options.table)] if options.table and Path(options.table).exists() else []
    known = {tuple(row[key] for key in keys) for row in rows}
    def add(family, name, dtype, format, results):
        for threads, result in results.items():
            row = {"family": family, "name": name, "dtype": dtype, "format": format, "threads": threads, **result}
            rows.append(row)
            if options.table:
                with open(options.table, "a") as file:
                    print(json.dumps(row), file=file)
            said = f"exit {row['exit']} share {row['share']:6.3f} {row['limit']:10} {row.get('nodes') or 0:5} nodes {row.get('seconds', 0):6.1f} s"
            print(f"{family:12} {name:32} {dtype:5} {format:4} {threads} {said} ort {row.get('onnxruntime')} {row.get('why', '')[:240]}", flush=True)

    def wanted(family, name, dtype, format):
        chosen = (not options.only or name in options.only) and (not options.family or family in options.family)
        return [int(threads) for threads in options.threads if chosen and (name, dtype, format, int(threads)) not in known]

    with tempfile.TemporaryDirectory() as unpacked:
        networks, files = [], []
        if options.wheels:
            trained_weights.unpacked(options.wheels, unpacked)
            networks, files = trained_weights.networks(unpacked), trained_weights.files(unpacked)
        for name, path, spec in files:
            format = path.suffix[1:]
            for threads in wanted(TRAINED, name, "f32", format):
                with tempfile.TemporaryDirectory() as folder:
                    result = converted(options.ontrace, str(path), str(Path(folder) / "m.onnx"), spec, threads, options.seconds)
                add(TRAINED, name, "f32", format, {threads: result})
        random = list(architectures())[options.skip : options.skip + options.most]
        for family, name, build in [*((TRAINED, *row) for row in networks), *random]:
            for dtype, format in ((dtype, format) for dtype in options.dtype for format in options.format):
                threads = wanted(family, name, dtype, format)
                if not threads:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    torch.manual_seed(zlib.crc32(name.encode()))
                    try:
                        path, x, y = saved(build, dtype, format, folder, family)
                        results = {count: archive(options.ontrace, path, x, y, count, options.seconds) for count in threads}
                    except Exception as error:
                        why = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
                        results = {count: {"exit": "torch", "why": why, "share": 0.0, "limit": ""} for count in threads}
                add(family, name, dtype, format, results)
    summary(rows)


if __name__ == "__main__":
    main()
