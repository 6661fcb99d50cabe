"""The entries of the forbidden list that ship with this block.

Cloud metadata services hand out the credentials of the machine to any program that can reach them.
Their addresses are the documented ones of each provider, for IPv4, IPv6 and the names that resolve
to them; a name that is not listed is found by the address that it resolves to.

A shell turns a grant to run one program into a grant to run any. So do programs that start the one
that their arguments name.
"""

from __future__ import annotations

from airswasm.wit import Forbidden

__all__ = ("FORBIDDEN",)

_METADATA_ADDRESSES = (
    "169.254.169.254",  # AWS, Azure, Google, Oracle, DigitalOcean, Hetzner, Linode, Vultr, IBM
    "169.254.170.2",  # AWS: credentials of ECS tasks
    "169.254.170.23",  # AWS: credentials of EKS pods
    "169.254.169.253",  # AWS: the resolver of the network
    "169.254.42.42",  # Scaleway
    "169.254.0.23",  # Tencent
    "100.100.100.200",  # Alibaba
    "168.63.129.16",  # Azure: the wire server
    "192.0.0.192",  # Oracle, classic
    "[fd00:ec2::254]",  # AWS
    "[fd00:ec2::23]",  # AWS: credentials of EKS pods
    "[fd20:ce::254]",  # Google
    "[fe80::a9fe:a9fe]",  # OpenStack
    "[fd00:42::42]",  # Scaleway
    "[fd00:a9fe:a9fe::1]",  # Linode
)
_METADATA_NAMES = (
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
    "metadata.packet.net",
    "api.metadata.cloud.ibm.com",
    "rancher-metadata",
)
_SHELLS = (
    "sh", "bash", "rbash", "dash", "ash", "zsh", "ksh", "ksh93", "mksh", "csh", "tcsh", "fish",
    "nu", "pwsh", "powershell", "busybox", "toybox",
)  # fmt: skip
_LAUNCHERS = (
    "env", "su", "sudo", "doas", "runuser", "pkexec", "setsid", "nohup", "timeout", "nice",
    "ionice", "stdbuf", "xargs", "chroot", "nsenter", "unshare", "script", "ssh",
)  # fmt: skip
_KEY_FILES = (
    "/**/.ssh/**", "/**/.gnupg/**", "/**/.aws/**", "/**/.kube/**", "/**/.docker/config.json",
    "/**/.netrc", "/**/id_rsa", "/**/id_ed25519", "/**/id_ecdsa", "/**/*.pem", "/**/*.key",
    "/**/*.p12", "/**/*.pfx",
)  # fmt: skip
_HOSTS = (*_METADATA_ADDRESSES, *_METADATA_NAMES)

FORBIDDEN = (
    *(
        Forbidden("cloud metadata", domain, tuple(f"{host}:*" for host in _HOSTS))
        for domain in ("tcp", "udp")
    ),
    Forbidden(
        "cloud metadata",
        "http.request",
        tuple(
            f"{scheme}://{host}{port}/**"
            for scheme in ("http", "https")
            for host in _HOSTS
            for port in ("", ":*")
        ),
    ),
    Forbidden("shells", "process", tuple(f"/**/{name}" for name in _SHELLS)),
    Forbidden("programs that start others", "process", tuple(f"/**/{name}" for name in _LAUNCHERS)),
    Forbidden("the system's own files", "filesystem", ("/proc/**", "/sys/**", "/dev/**")),
    Forbidden("key files", "filesystem", _KEY_FILES),
)
