import type { ProbeFetch } from '@labmesh/inference/probe/probe-fetch';

const coded = (code: string, message: string) => Object.assign(new Error(message), { code });

/** A ProbeFetch on Bun's fetch, for tests of the registry alone. */
export const probeFetch: ProbeFetch = async (target, request) => {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  const url = `${target.tls ? 'https' : 'http'}://${host}:${target.port}${request.path}`;
  const signal = AbortSignal.timeout(request.timeoutMs);
  try {
    const { method = 'GET', headers = {} } = request;
    // Without keep-alive: Bun would retry once on a fresh connection, which the counts of a test do not expect.
    const response = await fetch(url, { method, headers, signal, redirect: 'manual', keepalive: false });
    const body = new Uint8Array(await response.arrayBuffer());
    if (body.length > request.bytesMax) throw coded('BODY_TOO_LARGE', 'the answer is too large');
    return { status: response.status, header: (name) => response.headers.get(name) ?? undefined, body };
  } catch (error) {
    const { code, name, message } = error as { code?: string; name: string; message: string };
    if (name === 'TimeoutError') throw coded('ETIMEDOUT', 'no answer in time');
    if (code === 'ConnectionRefused') throw coded('ECONNREFUSED', message);
    if (code === 'ECONNRESET' || /socket connection was closed/i.test(message)) throw coded('ECONNRESET', message);
    throw error;
  }
};
