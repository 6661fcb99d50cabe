from ._block import BLOCK
from ._files.filesystem import Filesystem
from ._files.folder import Folder
from ._files.tree import Tree
from ._http.client import HttpClient
from ._http.http import Http
from ._http.wasi import WasiHttp
from ._network.addresses import Doorman, Endpoint
from ._network.dns import Dns
from ._network.listening import LISTEN, NAME
from ._network.places import Network
from ._network.spelling import ADDRESS, URL
from ._network.tcp import Tcp
from ._network.udp import Udp
from ._policy import FolderLimits, Mount, NetworkPolicy, OslPolicy, ProcessPolicy, folders_below
from ._processes.process import Processes
from ._provider import provide
from ._serving.server import HttpServer
from ._serving.settings import HttpRoute, ServingPolicy
from ._spelling import PATH, PROGRAM
from ._wasi_files.filesystem import WasiFilesystem
from ._wasi_sockets.interfaces import WasiSockets

__all__ = (
    "URL",
    "PROGRAM",
    "PATH",
    "NAME",
    "LISTEN",
    "ADDRESS",
    "BLOCK",
    "Dns",
    "Doorman",
    "Endpoint",
    "Filesystem",
    "Folder",
    "FolderLimits",
    "Http",
    "HttpClient",
    "Mount",
    "Network",
    "HttpRoute",
    "HttpServer",
    "NetworkPolicy",
    "OslPolicy",
    "ProcessPolicy",
    "Processes",
    "ServingPolicy",
    "Tcp",
    "Tree",
    "Udp",
    "WasiFilesystem",
    "WasiHttp",
    "WasiSockets",
    "folders_below",
    "provide",
)
