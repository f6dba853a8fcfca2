/** One run of the built-in engine's child process: start, what it says, end. Starting again is its owner's business. */
import { basename } from 'node:path';
import { redact } from '@labmesh/kit/log';
import { engineMessageSchema, type EngineMessage, type EngineParameters } from './engine-messages.ts';

/** How long a child may take to end by itself after SIGTERM. */
const killAfterMs = 5_000;
const logLinesMax = 20;
const lineCharsMax = 2_000;

/**
 * What of our environment the child gets: enough to find its libraries, none of our secrets, and nothing that would
 * change llama.cpp behind our back (LLAMA_ARG_*, NODE_LLAMA_CPP_*).
 */
const environmentNames = [
  'PATH',
  'HOME',
  'TMPDIR',
  'TEMP',
  'LANG',
  'LC_ALL',
  'LD_LIBRARY_PATH',
  'NODE_PATH',
  'SystemRoot',
];

export type EngineExit = { code: number | null; signal: string | null; message: string | undefined };

export interface EngineProcess {
  readonly pid: number;
  /** Resolves when the process is gone, however it went. */
  readonly exited: Promise<EngineExit>;
  /** SIGTERM, SIGKILL after 5 s; resolves when the process is gone. */
  stop(): Promise<void>;
}

function childEnvironment(): Record<string, string> {
  const found = environmentNames.map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(found.filter((pair): pair is readonly [string, string] => pair[1] !== undefined));
}

/** Makes a child's text fit for a log: no key, no folder of the owner's, no control characters, not long. */
export function scrubLine(line: string, parameters: Pick<EngineParameters, 'apiKey' | 'modelPath'>): string {
  const plain = line
    .replaceAll(parameters.apiKey, '[redacted]')
    .replaceAll(parameters.modelPath, basename(parameters.modelPath))
    // oxlint-disable-next-line no-control-regex -- colours and cursor moves of a child must not reach a terminal
    .replace(/\u001b\[[0-9;]*[A-Za-z]|[\u0000-\u0008\u000b-\u001f\u007f]/g, '');
  return String(redact(plain.slice(0, lineCharsMax)));
}

async function eachLine(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let open = '';
  for await (const bytes of stream) {
    const lines = (open + decoder.decode(bytes, { stream: true })).split('\n');
    // A line without an end is cut, so that a child cannot fill our memory.
    open = (lines.pop() ?? '').slice(0, lineCharsMax);
    for (const line of lines) if (line.trim() !== '') take(line);
  }
  if (open.trim() !== '') take(open);
}

function parseMessage(line: string): EngineMessage | undefined {
  try {
    return engineMessageSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/**
 * Starts the child with `command` and hands it `parameters`.
 * @throws when the command cannot be started
 */
export function startEngineProcess(
  command: readonly string[],
  parameters: EngineParameters,
  take: { message: (message: EngineMessage) => void; line: (line: string) => void },
): EngineProcess {
  const child = Bun.spawn([...command], { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe', env: childEnvironment() });
  void child.stdin.write(`${JSON.stringify(parameters)}\n`);
  void child.stdin.flush();
  let failure: string | undefined;
  const line = (text: string) => take.line(scrubLine(text, parameters));
  const readers = [
    eachLine(child.stdout, (text) => {
      const message = parseMessage(text);
      if (message?.event === 'failed') failure = scrubLine(message.message, parameters);
      if (message) take.message(message);
      else line(text);
    }),
    eachLine(child.stderr, line),
  ];
  const exited = (async () => {
    const code = await child.exited;
    await Promise.allSettled(readers);
    const signal = child.signalCode === null ? null : String(child.signalCode);
    return { code: signal === null ? code : null, signal, message: failure };
  })();
  return {
    pid: child.pid,
    exited,
    stop: async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), killAfterMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** The last lines of a child, for whoever asks why it failed. */
export class LogTail {
  #lines: string[] = [];

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > logLinesMax) this.#lines.shift();
  }
  get lines(): readonly string[] {
    return this.#lines;
  }
}
