"""What people type or set wrongly, and what they are told: without any project to ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

ID = "0b0e7f5e-4f0a-4d3c-9d4e-2f6f7e1f9a11"
SECRET = "geheim"
REQUIRED = {
    "SUPABASE_URL": "https://ref.supabase.example",
    "SUPABASE_SECRET_KEY": "sb_secret_x",
    "MUREKA_API_KEY": "op_x",
}


@dataclass(frozen=True)
class Wrong:
    """What is typed with which variables, and words of what is said; None: unset."""

    typed: list[str]
    words: str
    variables: dict[str, str | None] = field(default_factory=dict)
    code: int = 2


def lay_files(directory: Path) -> None:
    """The files and folders that the cases name."""
    (directory / "folder").mkdir()
    (directory / "file").write_text("hello\n")
    (directory / "diary").mkdir()
    (directory / "diary" / "precious.txt").write_text("precious")
    (directory / "empty.txt").write_text(" \n")
    (directory / "latin1.env").write_bytes("SUPABASE_URL=http://b\u00fccher\n".encode("latin-1"))
    (directory / "utf16-without-mark.env").write_bytes("A=1\n".encode("utf-16-le"))
    (directory / "open-quote.env").write_text('SUPABASE_URL=http://x\nA="open\n')
    (directory / "noise").write_bytes(bytes(range(256)))


TYPED = [
    Wrong(["dance"], "No such command 'dance'"),
    Wrong(["quue"], "Did you mean 'queue'"),
    Wrong(["--json"], "No such option: --json"),
    Wrong(["queue", "--limit", "0"], "--limit"),
    Wrong(["queue", "--limit", "many"], "--limit"),
    Wrong(["queue", "--fast"], "No such option: --fast. See: music-service queue --help"),
    Wrong(["queue", "now"], "unexpected extra argument"),
    Wrong(["watch"], "Missing argument"),
    Wrong(["watch", "nonsense"], '"nonsense" is not the id of a track'),
    Wrong(["history", ""], '"" is not the id of a track'),
    Wrong(["pause", "--reason"], "requires an argument"),
    Wrong(["enqueue", ""], "The prompt is empty"),
    Wrong(["enqueue", "x" * 1025], "1025 characters; at most 1024"),
    Wrong(["enqueue", "x", "--duration", "0"], "--duration"),
    Wrong(["enqueue", "x", "--duration", "soon"], "--duration"),
    Wrong(["enqueue", "x", "--genre", "x" * 101], "--genre has 101 characters"),
    Wrong(["enqueue", "x", "--lyrics-file", "nowhere"], "No such file"),
    Wrong(["enqueue", "x", "--lyrics-file", "folder"], "Is a directory"),
    Wrong(["enqueue", "x", "--lyrics-file", "latin1.env"], "is not UTF-8 text"),
    Wrong(["enqueue", "x", "--lyrics-file", "empty.txt"], "holds no lyrics"),
    Wrong(["retry"], "Say which tracks to retry"),
    Wrong(["retry", "nonsense"], "is not the id of a track"),
    Wrong(["retry", "--error-code", "bad_luck"], 'There is no error code "bad_luck"'),
    Wrong(["retry", "--since", "yesterday"], '"yesterday" is no time'),
    Wrong(["cancel"], "Missing argument"),
    Wrong(["dismiss", "nonsense"], "is not the id of a track"),
    Wrong(["record", ID, "no task"], '"no task" is not the id of a task'),
    Wrong(["record", ID], "Missing argument"),
    Wrong(["stack", "--port", "abc"], "--port"),
    Wrong(["stack", "--port", "80"], "--port"),
    Wrong(["stack", "--sim-seconds", "nan"], "--sim-seconds"),
    Wrong(["stack", "--allow-host", "http://x"], '--allow-host "http://x" is not the name'),
    Wrong(["stack", "--data-dir", "file"], "--data-dir file cannot be used"),
    Wrong(["stack", "--data-dir", "file/x", "--reset"], "--data-dir file/x cannot be used"),
    Wrong(["stack", "--data-dir", "diary"], "is not the directory of a stack"),
    Wrong(["stack", "--reset", "--data-dir", "diary"], "nothing was deleted"),
    Wrong(["stack", "--data-dir", ""], "is not the directory of a stack"),
    Wrong(["stack", "--data-dir", "x" * 300], "cannot be used (File name too long)"),
    Wrong(["stack", "--env-file", "folder"], "--env-file folder cannot be written"),
    Wrong(["stack", "--env-file", "file/x"], "--env-file file/x cannot be written"),
    Wrong(["queue", "--env-file", "folder"], "The settings in folder cannot be read: Is a"),
    Wrong(["queue", "--env-file", "nowhere"], "cannot be read: No such file"),
    Wrong(["queue", "--env-file", ""], "cannot be read: Is a directory"),
    Wrong(["run", "--env-file", "latin1.env"], "latin1.env is not UTF-8 text; save it as UTF-8"),
    Wrong(["doctor", "--env-file", "utf16-without-mark.env"], "is not UTF-8 text"),
    Wrong(["queue", "--env-file", "open-quote.env"], "Line 2 of open-quote.env is not NAME=value"),
    Wrong(["queue", "--env-file", "noise"], "is not UTF-8 text"),
]

_ADDRESS = "SUPABASE_URL is not an address: it needs a host, and a port must be a number"

SET = [
    Wrong(["queue"], "SUPABASE_URL is not set", {"SUPABASE_URL": None}),
    Wrong(
        ["run"],
        "MUREKA_API_KEY, SUPABASE_URL and SUPABASE_SECRET_KEY are not set",
        dict.fromkeys(REQUIRED),
    ),
    Wrong(["dev"], "SUPABASE_SECRET_KEY is not set", {"SUPABASE_SECRET_KEY": None}),
    Wrong(["queue"], "must start with https://", {"SUPABASE_URL": "ref.supabase.example"}),
    Wrong(["queue"], _ADDRESS, {"SUPABASE_URL": "http://127.0.0.1:port"}),
    Wrong(["queue"], _ADDRESS, {"SUPABASE_URL": "http://127.0.0.1:99999"}),
    Wrong(["queue"], _ADDRESS, {"SUPABASE_URL": "http://[::1"}),
    Wrong(["queue"], _ADDRESS, {"SUPABASE_URL": "https://two words"}),
    Wrong(["queue"], _ADDRESS, {"SUPABASE_URL": "https://"}),
    Wrong(
        ["queue"],
        "holds a user name or a password",
        {"SUPABASE_URL": f"https://u:{SECRET}@h.example"},
    ),
    Wrong(["queue"], "goes on after a ?", {"SUPABASE_URL": f"https://h.example/?apikey={SECRET}"}),
    Wrong(
        ["queue"],
        "is the dashboard's address",
        {"SUPABASE_URL": "https://supabase.com/dashboard/project/ref"},
    ),
    Wrong(["queue"], "needs the secret one", {"SUPABASE_SECRET_KEY": f"sb_publishable_{SECRET}"}),
    Wrong(["review"], "neither an sb_secret_ key nor", {"SUPABASE_SECRET_KEY": SECRET}),
    Wrong(
        ["queue"],
        "is not to be had from SUPABASE_SECRET_KEYS",
        {"SUPABASE_SECRET_KEYS": f"sb_secret_{SECRET}"},
    ),
    Wrong(["run"], "HEALTH_PORT", {"HEALTH_PORT": "http"}),
    Wrong(["run"], "HEALTH_PORT", {"HEALTH_PORT": "65536"}),
    Wrong(["run"], "MUSIC_LEASE_SECONDS", {"MUSIC_LEASE_SECONDS": "-1"}),
    Wrong(["run"], "LOG_LEVEL", {"LOG_LEVEL": "loud"}),
    Wrong(
        ["run"],
        "MUREKA_API_URL holds a user name or a password",
        {"MUREKA_API_URL": f"https://u:{SECRET}@h.example"},
    ),
    Wrong(["run"], "MUREKA_API_URL is not an address", {"MUREKA_API_URL": "http://h:port"}),
    Wrong(
        ["queue"],
        "ALL_PROXY names a SOCKS proxy",
        {"ALL_PROXY": f"socks5://u:{SECRET}@127.0.0.1:1080"},
    ),
    Wrong(
        ["run"],
        "https_proxy is not the address of a proxy",
        {"https_proxy": f"http://u:{SECRET}@h:port"},
    ),
    Wrong(["watch", ID], "HTTP_PROXY is not the address", {"HTTP_PROXY": f"ftp://{SECRET}"}),
    Wrong(["queue"], "SSL_CERT_FILE names no file", {"SSL_CERT_FILE": "nowhere.pem"}),
    Wrong(["doctor"], "SSL_CERT_FILE names no file", {"SSL_CERT_FILE": "file"}),
]
