/** `lab-agent copy-helper`: one copy as whoever it was started, driven by the agent over stdio. */
import { openSchema } from '@labmesh/wire/frame/open';
import { parseJson } from '@labmesh/kit/parse-json';
import { Inbox } from '../inbox.ts';
import { Refused } from '../session-run.ts';
import { copyEnd, type CopyOpen, type CopyPort } from './copy-port.ts';
import { type HelperLine, helperTextMax } from './helper-protocol.ts';
import { prepareCopy } from './run-copy.ts';

const lengthBytes = 4;

/** The next piece of stdin; undefined at its end. */
type Next = () => Promise<Uint8Array | undefined>;

/** Takes OPEN off the front of `input`; the rest goes on in `rest`. */
async function readOpen(next: Next, rest: (bytes: Uint8Array) => void): Promise<CopyOpen> {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const length = bytes.length < lengthBytes ? undefined : bytes.readUInt32BE(0);
    if (length !== undefined && length > helperTextMax * 4) throw new Refused('protocol', 'OPEN is too long');
    if (length !== undefined && bytes.length >= lengthBytes + length) {
      rest(bytes.subarray(lengthBytes + length));
      const open = openSchema.parse(parseJson(bytes.toString('utf8', lengthBytes, lengthBytes + length)));
      if (open.kind !== 'copy-in' && open.kind !== 'copy-out') throw new Refused('protocol', 'not a copy');
      return open;
    }
    const more = await next();
    if (more === undefined) throw new Refused('protocol', 'there is no OPEN');
    bytes = Buffer.concat([bytes, more]);
  }
}

/** Resolves when all is written; then nothing keeps the process. Never rejects. */
export async function runCopyHelper(): Promise<void> {
  const say = async (line: HelperLine) => {
    await Bun.write(Bun.stderr, `${JSON.stringify(line)}\n`);
  };
  const input = Bun.stdin.stream().getReader();
  const next: Next = async () => (await input.read()).value;
  const inbox = new Inbox();
  try {
    let begun: Uint8Array = new Uint8Array();
    const open = await readOpen(next, (bytes) => (begun = bytes));
    const prepared = await prepareCopy(open);
    await say({ ready: prepared.answer });
    void pump(next, begun, inbox);
    const out = Bun.stdout.writer();
    const port: CopyPort = {
      input: inbox,
      write: async (bytes) => {
        await out.write(bytes);
        await out.flush();
      },
      warn: (text) => say({ warn: text }),
    };
    const end = await prepared.run(port);
    await out.end();
    await say({ end });
  } catch (error) {
    await say({ end: copyEnd(error) });
  }
  // The agent keeps our input open until it sees that we have gone.
  await input.cancel();
}

async function pump(next: Next, begun: Uint8Array, inbox: Inbox): Promise<void> {
  if (begun.length > 0) await inbox.push(begun);
  for (let bytes = await next(); bytes !== undefined; bytes = await next()) await inbox.push(bytes);
  inbox.end();
}
