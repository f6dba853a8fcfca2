/** `labctl exec` on many servers: find them, ask, run, show, sum up (2.10). */
import { uuidv7 } from '@labmesh/wire/ids';
import type { LabdClient } from '../../client/labd-client.ts';
import type { World } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { ClientLinks } from '../client-links.ts';
import type { ClientLinkParts } from '../client-link.ts';
import { type ExecWish, planMany } from '../exec-plan.ts';
import { type SessionIo, untilGone } from '../session-io.ts';
import type { FanOutput, Write } from './fan-output.ts';
import { FanOut } from './fan-out.ts';
import { exitCodeOfAll, summaryLines, type TargetResult } from './fan-result.ts';
import { findTargets, type FoundTargets, type TargetWish } from './find-targets.ts';
import { ndjsonOutput, prefixOutput } from './line-outputs.ts';
import { FoldOutput, GroupOutput, JsonOutput } from './whole-outputs.ts';

export const fanForms = ['prefix', 'group', 'ndjson', 'json'] as const;
export type FanForm = (typeof fanForms)[number];

export type ManyWish = {
  targets: TargetWish;
  exec: ExecWish;
  batch: number;
  /** `3`, `10%`; undefined: no bound. */
  maxFail: string | undefined;
  form: FanForm;
  fold: boolean;
};

export type ManyParts = {
  world: Pick<World, 'env' | 'clock' | 'readStdin'>;
  io: SessionIo;
  labd: () => Promise<LabdClient>;
  link: ClientLinkParts;
  /** A line on stderr, not with --quiet. */
  note: (text: string) => void;
  confirm: (action: string, name: string) => Promise<void>;
  dryRun: boolean;
};

/** `2` or `10%` of `count`, rounded down. @throws CommandError (exit 2) */
export function failuresMax(text: string | undefined, count: number): number {
  if (text === undefined) return Infinity;
  const [, digits, percent] = /^(\d{1,6})(%?)$/.exec(text) ?? [];
  const number = Number(digits);
  if (digits === undefined || (percent === '%' && number > 100)) {
    throw new CommandError(`--max-fail: found ${JSON.stringify(text)}, expected a number or a share such as 10%`, {
      exitCode: exitCodes.usage,
    });
  }
  return percent === '%' ? Math.floor((count * number) / 100) : number;
}

function outputOf({ form, fold }: ManyWish, write: Write, job: string): FanOutput {
  if (form === 'json' || form === 'ndjson') {
    if (!fold) return form === 'json' ? new JsonOutput(write, job) : ndjsonOutput(write);
    throw new CommandError(`--fold is for people, and -o ${form} for programs`, { exitCode: exitCodes.usage });
  }
  if (fold) return new FoldOutput(write);
  return form === 'group' ? new GroupOutput(write) : prefixOutput(write);
}

const deniedResults = ({ denied }: FoundTargets): TargetResult[] =>
  denied.map(({ hostname, reason }) => ({
    server: hostname,
    state: 'denied',
    why: reason,
    code: 'PERMISSION_DENIED',
  }));

/** The exit code (FO-4). @throws CommandError: 2 for words, 255 for failures before the first start */
export async function runMany(wish: ManyWish, parts: ManyParts): Promise<number> {
  const { world, io, note } = parts;
  const job = uuidv7();
  const exec = planMany(wish.exec, world.env, job);
  failuresMax(wish.maxFail, 1);
  const output = outputOf(wish, (stream, bytes) => io.write(stream, bytes), job);
  const found = await findTargets(wish.targets, await parts.labd(), () => world.readStdin(), note);
  const { targets } = found;
  if (parts.dryRun) {
    note(`dry run: would run it on ${targets.length} servers: ${targets.map(({ hostname }) => hostname).join(', ')}`);
    return exitCodes.ok;
  }
  if (wish.targets.all) await parts.confirm(`run a command on all ${targets.length} servers`, 'all');
  await using links = new ClientLinks(parts.link);
  await links.connect();
  const plan = { targets, exec, batch: wish.batch, failuresMax: failuresMax(wish.maxFail, targets.length) };
  const open = links.open.bind(links);
  const fan = new FanOut(plan, { open, output, clock: world.clock });
  let interrupts = 0;
  using _ = io.takeSignals((name) => (name === 'INT' && interrupts++ === 0 ? fan.interrupt() : fan.cancel()));
  return await untilGone(async () => {
    const results = await fan.run();
    for (const line of summaryLines([...results, ...deniedResults(found)])) note(line);
    note(`job ${job}: labctl get sessions --job ${job}`);
    return interrupts > 0 ? exitCodes.interrupted : exitCodeOfAll(results);
  });
}
