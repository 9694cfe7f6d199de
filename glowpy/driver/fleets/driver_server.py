"""The driver's own server on a cluster: serves the program to agents, rows of slices to readers."""

from __future__ import annotations

from glowpy.agent.serving import ShardServer
from glowpy.driver.fleets.shipping import ProgramServer, Shipment
from glowpy.driver.rows_store import RowsStore
from glowpy.planner.plan import Plan
from glowpy.planner.run_description import RunDescription
from glowpy.secret import Secret
from glowpy.shards.pull import ShardIndex
from glowpy.wire.address import Address, of_driver
from glowpy.wire.roles import DRIVER_RULES
from glowpy.wire.transfers import FetchFile
from glowpy.wire.transport import Poller, Transport
from glowpy.wire.transport.curve import run_key

# Answers of some MiB each before the next beat, for which agents wait.
_SERVED_AT_ONCE = 10


class DriverServer:
    """Serves whenever the run loop polls."""

    def __init__(
        self,
        transport: Transport,
        poller: Poller,
        address: Address,
        shipment: Shipment,
        plan: Plan,
        description: RunDescription,
        secret: Secret,
        directory: str,
    ) -> None:
        self._server = transport.serve(
            address, "-glow.driver.port=PORT", rules=DRIVER_RULES, run_key=run_key(secret)
        )
        self._server.admit_run(secret, description.run)
        assert isinstance(self._server.address, Address)
        self.address = of_driver(self._server.address)
        index = ShardIndex()
        self._shards = ShardServer(index, self._server, address.host)
        self._programs = ProgramServer(shipment.contents, self._server, secret)
        self.store = RowsStore(description.run, secret, directory, index, self._shards.carry_out)
        self.store.keep_slices(plan)
        poller.register(self._server, self._serve)

    def close(self) -> None:
        self._shards.close()

    def _serve(self) -> None:
        for _ in range(_SERVED_AT_ONCE):
            received = self._server.receive()
            if received is None:
                return
            peer, message, _payload = received
            if isinstance(message, FetchFile):
                self._programs.receive(peer, message)
            else:
                self._shards.receive(peer, message)
