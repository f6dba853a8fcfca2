/** One copy over a session, in either direction, with both sums compared at the end (CP-2). */
import { realpath, stat, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { copyEnd } from '@labmesh/agent/copy/copy-port';
import { prepareSend } from '@labmesh/agent/copy/send-files';
import { Inbox } from '@labmesh/agent/inbox';
import { ChannelClosed, type ChannelEnding } from '@labmesh/link/channel';
import { CopyRecordReader } from '@labmesh/wire/frame/copy-record';
import { frameLimits } from '@labmesh/wire/frame/frame-types';
import type { CopyRecord, Open } from '@labmesh/wire/frame/open';
import { endingText, problemCode } from '../channel-problem.ts';
import type { KeptChannel } from '../kept-channel.ts';
import type { CopyMeter } from './copy-meter.ts';
import { type Received, TreeReceiver } from './receive-tree.ts';
import { transferId } from './transfer-id.ts';

export type CopyPlan = {
  server: string;
  /** Absolute. */
  remote: string;
  local: string;
  login: string | undefined;
  recursive: boolean;
  preserve: boolean;
};

export type CopyParts = {
  open: (open: Open, signal: AbortSignal) => Promise<KeptChannel>;
  meter: CopyMeter;
  /** A line for the person, not yet made harmless. */
  warn: (text: string) => void;
  signal: AbortSignal;
};

/** `resumed`: bytes that were there before. */
export type Copied = Received & { resumed: number };

/** What went wrong on this side, or with the sums; its reason as the other side would have said it. */
export class CopyFailed extends Error {
  readonly ending: ChannelEnding;
  constructor(ending: ChannelEnding, cause?: unknown) {
    super(endingText(ending, 0), cause === undefined ? undefined : { cause });
    this.ending = ending;
  }

  get code(): string {
    return problemCode(this.ending.reason);
  }
  get hint(): string | undefined {
    return this.ending.text === needsRecursive ? 'labctl cp -r' : undefined;
  }
}

const needsRecursive = 'is a directory: -r is needed';

const windowBytes = frameLimits.windowBytesMax;
const decoder = new TextDecoder();

/** The one record in `bytes`; undefined when they hold anything else. */
function recordIn(bytes: Uint8Array): CopyRecord | undefined {
  const items = [...new CopyRecordReader().feed(bytes)];
  const [first] = items;
  return items.length === 1 && first?.kind === 'record' ? first.record : undefined;
}

/** A session with its two outputs as a copy uses them: records on `out`, words on `err`. */
class CopyChannel {
  readonly channel: KeptChannel;
  readonly records = new Inbox();
  constructor(channel: KeptChannel, { warn, signal }: CopyParts) {
    this.channel = channel;
    channel.handle({
      data: (stream, bytes) => {
        if (stream === 1) return this.records.push(bytes.slice());
        for (const line of decoder.decode(bytes).split('\n')) if (line !== '') warn(line);
      },
      eof: (stream) => {
        if (stream === 1) this.records.end();
      },
      close: (ending) => this.records.fail(new ChannelClosed(ending)),
    });
    const onAbort = () => channel.close('cancelled');
    signal.addEventListener('abort', onAbort, { once: true });
    void channel.closed.then(() => signal.removeEventListener('abort', onAbort));
  }
}

/** Fails as the other side said, when it said why; else as `error` says. */
async function failed(channel: KeptChannel, error: unknown): Promise<never> {
  if (error instanceof ChannelClosed) throw error;
  const ending = error instanceof CopyFailed ? error.ending : copyEnd(error);
  channel.close(ending.reason === 'ok' ? 'io' : ending.reason, ending.text);
  throw error instanceof CopyFailed ? error : new CopyFailed(ending, error);
}

/** Bytes of files below `path`, for the check of free space; links and what cannot be read count nothing. */
async function bytesBelow(path: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(path, { withFileTypes: true }).catch(() => [])) {
    const member = join(path, entry.name);
    if (entry.isDirectory()) sum += await bytesBelow(member);
    else if (entry.isFile()) sum += (await lstat(member).catch(() => undefined))?.size ?? 0;
  }
  return sum;
}

/** @throws the system's errors */
async function sumOfFirst(path: string, bytes: number): Promise<string> {
  const hash = new Bun.CryptoHasher('sha256');
  for await (const chunk of Bun.file(path).slice(0, bytes).stream()) hash.update(chunk);
  return hash.digest('hex');
}

/** Files from here to a server. @throws CopyFailed, ChannelClosed, and what `open` throws */
export async function copyIn(plan: CopyPlan, parts: CopyParts): Promise<Copied> {
  const { server, remote, local, login, recursive, preserve } = plan;
  const source = await realpath(local).then(async (path) => ({ path, found: await stat(path) }), notHere);
  const { size, mtimeMs } = source.found;
  const isFolder = source.found.isDirectory();
  if (isFolder && !recursive) throw new CopyFailed({ reason: 'io', text: needsRecursive });
  const totalBytes = isFolder ? await bytesBelow(source.path) : size;
  const channel = await parts.open(
    {
      kind: 'copy-in',
      server,
      path: remote,
      recursive: isFolder,
      preserve,
      transfer: transferId('in', server, remote, source.path, size, mtimeMs),
      totalBytes,
      window: windowBytes,
      ...(login !== undefined && { login }),
    },
    parts.signal,
  );
  const there = channel.ok.offset ?? 0;
  const offset = !isFolder && there > 0 && there <= size ? there : 0;
  parts.meter.begin(totalBytes, offset);
  const { records } = new CopyChannel(channel, parts);
  try {
    return await send(
      { ...plan, local: isFolder ? local : source.path, recursive: isFolder },
      offset,
      channel,
      records,
      parts,
    );
  } catch (error) {
    return await failed(channel, error);
  }
}

const notHere = (error: unknown): never => {
  throw new CopyFailed(copyEnd(error), error);
};

async function send(
  plan: CopyPlan,
  offset: number,
  channel: KeptChannel,
  answers: Inbox,
  parts: CopyParts,
): Promise<Copied> {
  const { local, recursive, preserve } = plan;
  const resume = offset === 0 ? {} : { resume: { offset, sha256: await sumOfFirst(local, offset) } };
  const prepared = await prepareSend({ kind: 'copy-out', server: '', path: local, recursive, preserve, ...resume });
  let last: Uint8Array = new Uint8Array();
  const { text } = await prepared.run({
    input: answers,
    write: async (bytes) => {
      last = bytes;
      await channel.write(0, bytes);
      parts.meter.add(bytes.length);
    },
    warn: async (text) => parts.warn(text),
  });
  channel.end(0);
  const ours = recordIn(last);
  const theirs = await answerOf(answers);
  if (ours?.sha256 === undefined || ours.sha256 !== theirs?.sha256) {
    throw new CopyFailed({ reason: 'checksum', text: 'the other side has another sum' });
  }
  const ending = await channel.closed;
  if (ending.reason !== 'ok') throw new ChannelClosed(ending);
  const leftOut = Number(/^\d+/.exec(text)?.[0] ?? 0);
  return { bytes: ours.size ?? 0, sha256: ours.sha256, leftOut, resumed: offset };
}

/** The record that the receiver answers the last one with. */
async function answerOf(answers: Inbox): Promise<CopyRecord | undefined> {
  const reader = new CopyRecordReader();
  for await (const bytes of answers)
    for (const item of reader.feed(bytes)) if (item.kind === 'record') return item.record;
  return undefined;
}

/** The sender has said all and may be gone before it is answered. */
const ifWhole = (error: unknown): void => {
  if (!(error instanceof ChannelClosed)) throw error;
};

/** Files from a server to here. @throws CopyFailed, ChannelClosed, and what `open` throws */
export async function copyOut(plan: CopyPlan, parts: CopyParts): Promise<Copied> {
  const { server, remote, local, login, recursive, preserve } = plan;
  const name = remote.split('/').findLast((part) => part !== '' && part !== '.');
  const transfer = transferId('out', server, remote, await realpath(local).catch(() => local));
  const wanted = { path: local, sourceName: name === '..' ? undefined : name, recursive, preserve, transfer };
  await using receiver = await TreeReceiver.at(wanted).catch(notHere);
  const channel = await parts.open(
    {
      kind: 'copy-out',
      server,
      path: remote,
      recursive,
      preserve,
      window: windowBytes,
      ...(login !== undefined && { login }),
      ...(receiver.part !== undefined && { resume: receiver.part }),
    },
    parts.signal,
  );
  const { records } = new CopyChannel(channel, parts);
  try {
    const received = await receiver.run({
      input: records,
      answer: (bytes) => channel.write(0, bytes).catch(ifWhole),
      meter: parts.meter,
      warn: (path, why) => parts.warn(`${path}: ${why}`),
    });
    channel.end(0);
    const ending = await channel.closed;
    // What the sender left out it said itself, line by line.
    const theirs = ending.reason === 'io' ? Number(/^(\d+) entries were left out/.exec(ending.text)?.[1] ?? 0) : 0;
    if (ending.reason !== 'ok' && theirs === 0) throw new ChannelClosed(ending);
    return { ...received, leftOut: received.leftOut + theirs, resumed: receiver.part?.offset ?? 0 };
  } catch (error) {
    if (error instanceof ChannelClosed && error.ending.reason === 'checksum') await receiver.dropPart();
    return await failed(channel, error);
  }
}
