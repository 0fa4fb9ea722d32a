"""What a check found, and GPUs for it to find."""


def said(findings) -> tuple[list[str], str]:
    """The levels and the text of findings."""
    findings = list(findings)
    return [f.level for f in findings], "\n".join(map(str, findings))


def show_gpus(monkeypatch, visible: int, capability: tuple[int, int] = (8, 0)) -> None:
    """Let PyTorch see so many GPUs."""
    import torch

    def init():
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 12020). X")

    monkeypatch.setenv("PATH", "/nothing")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: visible > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: visible)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "A GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number: capability)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80"])
