/** wireguard-go on a host, as an operator's service runs it, and its text protocol for what our devices never say. */
import { connect } from 'node:net';
import { existsSync } from 'node:fs';
import type { TunnelHost } from '../tunnel-site/tunnel-host.ts';

const startWaitMs = 10_000;

/** Starts it and waits for its socket; ended with its owner, if not before by the end of its interface. */
export async function startWireguardGo(
  host: TunnelHost,
  name: string,
): Promise<AsyncDisposable & { exited: Promise<number> }> {
  const env = { ...process.env, WG_PROCESS_FOREGROUND: '1', LOG_LEVEL: 'silent' };
  const child = Bun.spawn(host.command(['wireguard-go', '-f', name]), { stdio: ['ignore', 'ignore', 'ignore'], env });
  const path = `${host.socketFolder}/${name}.sock`;
  for (let waitedMs = 0; !existsSync(path); waitedMs += 20) {
    if (waitedMs > startWaitMs) throw new Error('wireguard-go did not open its socket');
    await Bun.sleep(20);
  }
  return {
    exited: child.exited,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}

/** Sends lines such as `set=1` as they are. @throws Error unless the answer is errno=0. */
export async function tellWireguardGo(host: TunnelHost, name: string, lines: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(`${host.socketFolder}/${name}.sock`);
  let answer = '';
  socket.on('error', reject);
  socket.on('close', () => reject(new Error(`no answer: ${answer}`)));
  socket.on('data', (data) => {
    answer += data.toString();
    if (answer.endsWith('\n\n')) resolve(answer);
  });
  socket.write(`${lines.join('\n')}\n\n`);
  try {
    const whole = await promise;
    if (!whole.includes('errno=0')) throw new Error(whole.trim());
    return whole;
  } finally {
    socket.destroy();
  }
}
