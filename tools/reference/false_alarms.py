"""Checks real architectures against themselves and says which of them are called wrong: every exit code but 0 is a false alarm or a refusal.

usage: false_alarms.py ONTRACE [--skip N] [--most N] [--dtype f32,f16,bf16] [--seconds S] [--only NAME,...]   (needs torch, torchvision, timm, transformers)

A line an architecture: name, dtype, exit code, the largest share of a limit, which limit, seconds. Random weights; images of 64 or 96 pixels where the
architecture takes them. The last line counts.
"""
import argparse, json, subprocess, tempfile, time, warnings
from pathlib import Path

import torch

VISION = """alexnet vgg11_bn googlenet resnet18 resnet50 wide_resnet50_2 resnext50_32x4d densenet121 squeezenet1_0 squeezenet1_1 mnasnet0_5 mnasnet1_0
mobilenet_v2 mobilenet_v3_small mobilenet_v3_large shufflenet_v2_x0_5 shufflenet_v2_x1_0 efficientnet_b0 efficientnet_b1 efficientnet_v2_s regnet_x_400mf
regnet_y_400mf regnet_y_800mf convnext_tiny swin_t swin_v2_t maxvit_t""".split()
SEGMENTATION = "fcn_resnet50 deeplabv3_mobilenet_v3_large lraspp_mobilenet_v3_large".split()
TIMM = """vit_tiny_patch16_224 vit_small_patch32_224 deit_tiny_patch16_224 deit_tiny_distilled_patch16_224 deit3_small_patch16_224 cait_xxs24_224
convit_tiny crossvit_tiny_240 levit_128s mixer_s32_224 mixer_b32_224 resmlp_12_224 gmlp_ti16_224 convmixer_768_32 convnext_atto convnext_femto convnextv2_atto
poolformer_s12 poolformerv2_s12 edgenext_xx_small mobilevit_xxs mobilevitv2_050 efficientformer_l1 efficientformerv2_s0 efficientvit_b0 efficientvit_m0
fastvit_t8 repvgg_a0 repghostnet_050 ghostnet_100 ghostnetv2_100 mobileone_s0 hardcorenas_a fbnetc_100 spnasnet_100 mnasnet_small tinynet_e lcnet_050
mobilenetv4_conv_small mobilenetv3_small_050 rexnet_100 resnet10t resnet14t resnetv2_50 seresnet18 legacy_seresnet18 skresnet18 ecaresnet26t eca_nfnet_l0
dm_nfnet_f0 nf_resnet26 resnest14d res2net50_14w_8s dla34 dla46_c hrnet_w18_small dpn48b vovnet39a ese_vovnet19b_dw selecsls42 cspresnet50 cspdarknet53 darknet17
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


def architectures():
    import timm, torchvision

    def image(size):
        return torch.randn(1, 3, size, size)

    for name in VISION:
        yield name, lambda name=name: (getattr(torchvision.models, name)(), image(224 if "swin" in name or "maxvit" in name else 96))
    for name in SEGMENTATION:
        make = getattr(torchvision.models.segmentation, name)
        yield name, lambda make=make: (make(weights=None, weights_backbone=None), image(96))
    for name in TIMM:

        def build(name=name):
            try:
                return timm.create_model(name, img_size=64).eval(), image(64)
            except TypeError:
                model = timm.create_model(name)
                return model, image(96 if model.default_cfg["fixed_input_size"] is False else model.default_cfg["input_size"][-1])

        yield name, build
    for name, cls, config in texts():

        def build(cls=cls, config=config):
            config._attn_implementation = "eager"
            return cls(config), torch.randint(0, 190, (1, 10))

        yield name, build


class First(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        y = self.model(x)
        while not isinstance(y, torch.Tensor):
            y = next(iter(y.values())) if isinstance(y, dict) else y[0]
        return y


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ontrace")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--most", type=int, default=1000)
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    count = fine = refused = 0
    for name, build in list(architectures())[options.skip : options.skip + options.most]:
        if only and name not in only:
            continue
        for dtype in options.dtype.split(","):
            to = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]
            with tempfile.TemporaryDirectory() as folder:
                path = str(Path(folder) / "m.pt")
                try:
                    model, x = build()
                    model, x = First(model).eval().to(to), x.to(to) if x.is_floating_point() else x
                    with torch.no_grad():
                        torch.jit.trace(model, (x,), check_trace=False, strict=False).save(path)
                except Exception as error:
                    print(f"{name:32} {dtype:5} not traced by torch: {str(error).splitlines()[0][:100] if str(error) else type(error).__name__}", flush=True)
                    continue
                shape = ",".join(map(str, x.shape))
                spec = f"{shape}:{ {'f32': 'f32', 'f16': 'f16', 'bf16': 'bf16'}[dtype] }" if x.is_floating_point() else f"{shape}:i64=int(0,190)"
                started = time.time()
                try:
                    done = subprocess.run([options.ontrace, "check", path, "-i", spec, "--json"], capture_output=True, text=True, timeout=options.seconds)
                    code, text = done.returncode, done.stdout if done.returncode == 0 else done.stderr
                except subprocess.TimeoutExpired:
                    code, text = "time", ""
                seconds = time.time() - started
            line = next((line for line in text.splitlines() if line.startswith("{")), "{}")
            report = json.loads(line)
            outputs = report.get("check", {}).get("outputs", [])
            share = max([o["share"] for o in outputs if isinstance(o["share"], float)] or [0.0])
            limits = ",".join(sorted({o["limit"] for o in outputs}))
            count, fine, refused = count + 1, fine + (code == 0), refused + (code not in (0, 3, 6))
            why = "" if code == 0 else (report.get("message", "") + " | " + str(report.get("help", "")))[:240]
            print(f"{name:32} {dtype:5} exit {code} share {share:6.3f} {limits:10} {seconds:6.1f} s {why}", flush=True)
    print(f"{fine} of {count} agree, {refused} refused or out of time")


if __name__ == "__main__":
    main()
