/** Errors of what never became a request: an upgrade that is refused, a head that cannot be read, an address that is none. */
import type { HeadFault } from '@labmesh/link/mtls-listener';
import { FleetError, fleetErrorBody } from '@labmesh/wire/fleet/fleet-errors';
import { requestId } from '@labmesh/wire/ids';

/** The whole answer as it goes over the wire; the connection ends with it. */
export function rawErrorAnswer(error: FleetError, id: string): string {
  const body = JSON.stringify(fleetErrorBody(error, id));
  const { status, retryAfterMs } = error;
  const lines = [
    `HTTP/1.1 ${status} Refused`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    `X-Request-Id: ${id}`,
    ...(retryAfterMs === undefined ? [] : [`Retry-After: ${Math.max(1, Math.ceil(retryAfterMs / 1000))}`]),
    ...(status === 426 ? ['Upgrade: websocket'] : []),
    'Connection: close',
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

const headErrors = {
  'too-large': ['PAYLOAD_TOO_LARGE', 'the headers are larger than 16384 bytes'],
  late: ['VALIDATION_FAILED', 'the headers did not come within 10 s'],
  malformed: ['VALIDATION_FAILED', 'this is not HTTP/1.1'],
} as const satisfies Record<HeadFault, readonly [FleetError['code'], string]>;

/** AP-4: what is wrong with a head. Nothing of it is believed, so the id is ours. */
export function headAnswer(fault: HeadFault): string {
  const [code, message] = headErrors[fault];
  return rawErrorAnswer(new FleetError(code, { message }), requestId());
}

/** For a head that was read, but makes no request: a host that is none, `OPTIONS *`. */
export function unreadableAnswer(error: unknown): Response {
  const isTheirs = error instanceof Error && error.name === 'RequestError';
  const found = isTheirs
    ? new FleetError('VALIDATION_FAILED', { message: 'the address or the host is not valid' })
    : new FleetError('INTERNAL', { cause: error });
  const id = requestId();
  const headers = { 'Cache-Control': 'no-store', 'X-Request-Id': id };
  return Response.json(fleetErrorBody(found, id), { status: found.status, headers });
}
