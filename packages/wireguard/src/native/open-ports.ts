import type { DeviceConfig } from '../tunnel-device.ts';
import type { DatagramPorts, OnDatagram } from './datagram-ports.ts';
import { DialledPorts } from './dialled-ports.ts';
import { openListeningPorts } from './listening-ports.ts';

/** Listens where it is told to; dials only when it is told nothing. @throws what the bind of an address says. */
export function openPorts(listen: DeviceConfig['listen'], onDatagram: OnDatagram): Promise<DatagramPorts> {
  if (listen === undefined) return DialledPorts.open(onDatagram);
  return openListeningPorts(listen.addresses, listen.port, onDatagram);
}
