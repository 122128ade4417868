"""Load and save checkpoints, and build the arguments of transformers' trainers. Weights are read from safetensors only, and
code in a checkpoint is never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import is_flash_attn_2_available

from tasks.llm.model_files import no_progress_bar
from tasks.training.config import Train, TrainError
from tasks.training.job import Job

SAFE = {"use_safetensors": True, "trust_remote_code": False}


def tokenizer_of(base: str) -> Any:
    """Return the checkpoint's tokenizer, with a padding token. Raises TrainError if it cannot be read or has no
    end-of-sequence token."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(base, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _unreadable(base, error) from error
    if tokenizer.eos_token_id is None:
        raise TrainError(f"base {base}: its tokenizer has no end-of-sequence token. Fix: set one there")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def model_of(base: str, *, kind: Any = AutoModelForCausalLM, **settings: Any) -> Any:
    """Return the checkpoint's model in 32-bit weights; bf16 is left to the trainer's autocast. Raises TrainError if it cannot
    be read."""
    try:
        with no_progress_bar():
            return kind.from_pretrained(
                base,
                dtype=torch.float32,
                attn_implementation="flash_attention_2" if flat() else "sdpa",
                **SAFE,
                **settings,
            )
    except (OSError, ValueError) as error:
        raise _unreadable(base, error) from error


def _unreadable(base: str, error: Exception) -> TrainError:
    message = " ".join(str(error).split())
    return TrainError(
        f"base {base} cannot be read: {message[:300]}. Fix: a checkpoint with safetensors weights"
    )


def flat() -> bool:
    """Return whether packed rows should be concatenated: flash attention then does not attend across their borders."""
    return bool(torch.cuda.is_available() and is_flash_attn_2_available())


def bf16(config: Train) -> bool:
    """Return whether to train in bf16: as configured, or where the GPU supports it."""
    if config.precision != "auto":
        return config.precision == "bf16"
    return bool(torch.cuda.is_available() and torch.cuda.is_bf16_supported())


def adapted(model: Any, config: Train) -> Any:
    """Return the model, with LoRA adapters if they are configured."""
    if config.lora is None:
        return model
    from peft import get_peft_model

    return get_peft_model(model, lora_of(config))


def lora_of(config: Train, task: str = "CAUSAL_LM") -> Any:
    """Return peft's configuration, or None if all weights are trained."""
    if config.lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=config.lora.targets,
        task_type=task,
    )


def arguments(job: Job, steps: int) -> dict[str, Any]:
    """Return the arguments that transformers' and TRL's trainers share."""
    config = job.config
    cuda = torch.cuda.is_available()
    return {
        "output_dir": str(job.out / "trainer"),
        "max_steps": steps,
        "per_device_train_batch_size": config.micro(),
        "gradient_accumulation_steps": config.batch // (config.micro() * config.processes),
        "learning_rate": job.stage.lr,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(config.warmup * steps),
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.clip_norm,
        "seed": job.seed,
        "bf16": bf16(config),
        "use_cpu": not cuda,
        "activation_checkpointing": config.checkpointing,
        "save_strategy": "steps" if config.save_every else "no",
        "save_steps": config.save_every or steps,
        "save_total_limit": 2,
        "logging_steps": config.log_every,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "fsdp": "full_shard auto_wrap" if config.sharding == "fsdp" else None,
    }


def save(model: Any, tokenizer: Any, out: Path) -> None:
    """Save an ordinary checkpoint: adapters merged, weights as safetensors, and the tokenizer, without code of its own."""
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
