/** A session's streams, terminal and signals as this process has them. */
import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { OutputGone, type OwnSignal, type SessionIo, type TerminalSize } from './session-io.ts';

const ownSignals: readonly OwnSignal[] = ['INT', 'TERM', 'HUP'];

function stdinIsGiven(): boolean {
  try {
    const stat = fstatSync(0);
    return stat.isFIFO() || stat.isFile() || stat.isSocket();
  } catch {
    // Closed: `<&-`.
    return false;
  }
}

function terminalSize(): TerminalSize | undefined {
  const { stdout } = process;
  if (!stdout.isTTY || stdout.columns < 1 || stdout.rows < 1) return undefined;
  return { cols: stdout.columns, rows: stdout.rows };
}

function write(stream: 1 | 2, bytes: Uint8Array): Promise<void> {
  const to = stream === 1 ? process.stdout : process.stderr;
  return new Promise((resolve, reject) => {
    to.write(bytes, (error) => (error instanceof Error ? reject(new OutputGone()) : resolve()));
  });
}

let isRaw = false;

/** Put back also when the process ends by `exit` or by an error that nobody caught. */
function rawMode(): Disposable {
  const { stdin } = process;
  const set = (raw: boolean) => {
    stdin.setRawMode(raw);
    isRaw = raw;
  };
  const restore = () => set(false);
  process.once('exit', restore);
  set(true);
  // The runtime's raw mode still makes CR LF out of LF, which moves the cursor where the far program did not mean it.
  // What was before comes back with the rest of the settings.
  Bun.spawnSync(['stty', '-opost'], { stdin: 'inherit', stdout: 'ignore', stderr: 'ignore' });
  return {
    [Symbol.dispose]: () => {
      process.off('exit', restore);
      restore();
    },
  };
}

function takeSignals(told: (name: OwnSignal) => void): Disposable {
  const before = ownSignals.map((name) => {
    const event = `SIG${name}` as const;
    const listeners = process.listeners(event) as NodeJS.SignalsListener[];
    const own = () => told(name);
    // Ours first: without a listener, even for a moment, the signal ends the process.
    process.on(event, own);
    for (const listener of listeners) process.off(event, listener);
    return { event, listeners, own };
  });
  return {
    [Symbol.dispose]: () => {
      for (const { event, listeners, own } of before) {
        for (const listener of listeners) process.on(event, listener);
        process.off(event, own);
      }
    },
  };
}

export function processIo(): SessionIo {
  return {
    stdinIsTerminal: isatty(0),
    stdoutIsTerminal: isatty(1),
    stdinIsGiven: stdinIsGiven(),
    stdin: () => process.stdin,
    write,
    size: terminalSize,
    onResize: (told) => {
      const onResize = () => {
        const size = terminalSize();
        if (size !== undefined) told(size);
      };
      process.stdout.on('resize', onResize);
      return { [Symbol.dispose]: () => void process.stdout.off('resize', onResize) };
    },
    rawMode,
    get isRaw() {
      // Not asked of a stream that nobody opened: the look alone would open it.
      return isRaw;
    },
    takeSignals,
  };
}
