/** The agent's side of a copy that runs as another account. */
import { parseJson } from '@labmesh/kit/parse-json';
import { Refused } from '../session-run.ts';
import type { CopyEnd, CopyOpen, CopyPort, PreparedCopy } from './copy-port.ts';
import { type HelperLine, helperLineSchema, helperName, helperTextMax } from './helper-protocol.ts';

const broken = 'the copy helper did not answer';

/** `command` starts this program as the account. @throws Refused as the helper says. */
export async function prepareByHelper(open: CopyOpen, command: readonly string[]): Promise<PreparedCopy> {
  const child = Bun.spawn([...command, helperName], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    cwd: '/',
    // The account's program must not see what the agent's environment holds.
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/' },
  });
  const lines = readLines(child.stderr);
  const json = new TextEncoder().encode(JSON.stringify(open));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, json.length);
  await give(child, Buffer.concat([length, json]));
  const first = await lines.next();
  if (first.done === true || !('ready' in first.value)) {
    child.kill();
    const end = first.done !== true && 'end' in first.value ? first.value.end : undefined;
    throw new Refused(end?.reason ?? 'spawn-failed', end?.text ?? broken);
  }
  return {
    answer: first.value.ready,
    run: (port) => runHelper(child, lines, port),
    dispose: async () => child.kill(),
  };
}

type Child = Bun.Subprocess<'pipe', 'pipe', 'pipe'>;

/** Resolves when the pipe has taken the bytes; false: nobody reads it any more. */
async function give(child: Child, bytes: Uint8Array): Promise<boolean> {
  try {
    await child.stdin.write(bytes);
    await child.stdin.flush();
    return true;
  } catch {
    return false;
  }
}

async function runHelper(child: Child, lines: AsyncGenerator<HelperLine>, port: CopyPort): Promise<CopyEnd> {
  void feed(child, port);
  const [, end] = await Promise.all([passOn(child, port), listen(lines, port)]);
  return end;
}

/** Ends quietly when the channel does, or the helper reads no more: what it says last tells why. */
async function feed(child: Child, port: CopyPort): Promise<void> {
  try {
    for await (const bytes of port.input) if (!(await give(child, bytes))) return;
  } catch {}
  await Promise.resolve(child.stdin.end()).catch(() => {});
}

async function passOn(child: Child, port: CopyPort): Promise<void> {
  for await (const bytes of child.stdout) await port.write(bytes);
}

async function listen(lines: AsyncGenerator<HelperLine>, port: CopyPort): Promise<CopyEnd> {
  for await (const line of lines) {
    if ('warn' in line) await port.warn(line.warn);
    if ('end' in line) return line.end;
  }
  throw new Refused('io', broken);
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<HelperLine> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of stream) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > helperTextMax && !text.includes('\n')) return;
    const whole = text.split('\n');
    text = whole.pop() ?? '';
    for (const line of whole) {
      const parsed = helperLineSchema.safeParse(parseJson(line));
      if (parsed.success) yield parsed.data;
    }
  }
}
