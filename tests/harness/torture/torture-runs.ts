/** Torture cases through labctl: its session code in this process over one login, or the program itself. */
import type { ClientLink } from '@labmesh/labctl/session/client-link';
import { runSession } from '@labmesh/labctl/session/run-session';
import { openExecSchema, type Tty } from '@labmesh/wire/frame/open';
import type { FleetClient } from '../fleet/fleet-client.ts';
import { isAlive, waitFor } from '../fleet/look.ts';
import { ScriptedIo } from './scripted-io.ts';
import { faultOf, type TortureCase } from './torture-cases.ts';

const size: Tty = { term: 'xterm', cols: 80, rows: 24 };
/** ^D on a line that has begun hands it over; the second one is the end. */
const endKeys = new Uint8Array([4, 4]);

type Got = { out: Uint8Array; code: number };
export type CaseRunner = (one: TortureCase, run: number) => Promise<Got>;

/** Sessions over one link. On a terminal every other labctl has one itself: keys and raw mode. */
export const sessionRunner =
  (link: ClientLink, servers: readonly string[]): CaseRunner =>
  async (one, run) => {
    const server = servers[run % servers.length] ?? '';
    const isTerminal = one.tty && run % 4 < 2;
    const io = new ScriptedIo({
      isTerminal,
      ...(one.input !== undefined && { input: one.input }),
      ...(one.after !== undefined && { after: one.after }),
    });
    const { shell, tty, signal } = one;
    const sendsInput = one.input !== undefined;
    const open = openExecSchema.parse({ kind: 'exec', server, shell, tty: tty ? size : null, stdin: sendsInput });
    const plan = { open, target: `server/${server}`, sendsInput, tty };
    const ended = runSession(plan, { link, io, note: () => undefined, now: Date.now });
    if (signal !== undefined) void io.says('on').then(() => io.signal(signal));
    const code = await ended;
    const raws = isTerminal && sendsInput ? 1 : 0;
    if (io.isRaw || io.raws !== raws || io.restores !== raws) throw new Error(`raw mode ${io.raws}, ${io.restores}`);
    return { out: io.out, code };
  };

/** labctl on pipes. */
async function runOnPipes(client: FleetClient, server: string, one: TortureCase): Promise<Got> {
  await using run = client.start('exec', server, '--shell', one.shell);
  if (one.input !== undefined) await run.write(one.input);
  if (one.signal === undefined) run.endInput();
  else {
    await run.says('on');
    run.signal(`SIG${one.signal}`);
  }
  const { exitCode, stdout } = await run.ended;
  return { out: stdout, code: exitCode };
}

/** labctl on a terminal of its own. */
async function runOnTerminal(client: FleetClient, server: string, one: TortureCase): Promise<Got> {
  const process = client.startOnTerminal(size, 'exec', server, '-t', '--shell', one.shell);
  const [source] = process.outputs;
  let out = Buffer.alloc(0);
  const awaited = one.signal === undefined ? one.after : 'on';
  let isDone = awaited === undefined;
  for (let bytes = await source?.read(); bytes !== undefined; bytes = await source?.read()) {
    out = Buffer.concat([out, bytes]);
    if (isDone || !out.includes(awaited ?? '')) continue;
    isDone = true;
    if (one.signal !== undefined) globalThis.process.kill(process.pid, `SIG${one.signal}`);
    else
      void process.write(
        Buffer.concat([one.input ?? new Uint8Array(), one.isCooked === true ? endKeys : Buffer.alloc(0)]),
      );
  }
  const { code } = await process.exited;
  process.dispose();
  return { out, code: code ?? -1 };
}

export const processRunner =
  (client: FleetClient, servers: readonly string[]): CaseRunner =>
  (one, run) =>
    (one.tty ? runOnTerminal : runOnPipes)(client, servers[run % servers.length] ?? '', one);

/** Runs them all, some together; what was wrong. */
export async function tortured(cases: readonly TortureCase[], runner: CaseRunner, together: number): Promise<string[]> {
  const faults: string[] = [];
  let next = 0;
  const worker = async () => {
    for (let run = next++; run < cases.length; run = next++) {
      const one = cases[run] as TortureCase;
      const got = await runner(one, run);
      const fault = faultOf(one, run, got);
      if (fault !== undefined) faults.push(fault);
      if (one.pidFile !== undefined) {
        const pid = Number(await Bun.file(one.pidFile).text());
        await waitFor(() => !isAlive(pid));
      }
    }
  };
  await Promise.all(Array.from({ length: together }, worker));
  return faults;
}
