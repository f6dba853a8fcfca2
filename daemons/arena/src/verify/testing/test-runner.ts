/** The real sandbox of this machine for tests, and everything that was sent into it. */
import { openSandbox } from '@labmesh/sandbox/open-sandbox';
import type { Sandbox } from '@labmesh/sandbox/sandbox';
import { silentLogger } from '@labmesh/kit/log';
import { uuidv7 } from '@labmesh/wire/ids';
import { type SandboxJobInput, sandboxJobSchema, type SandboxRunner } from '@labmesh/wire/verification/sandbox';

const open = (): Promise<Sandbox> =>
  openSandbox({
    uidBase: 930_000,
    log: silentLogger,
    bunPath: process.execPath,
    // Level L0 is not asked for here.
    wasmCommand: [process.execPath, '--version'],
  });

let opened: Promise<Sandbox> | undefined = open();
const report = (await opened).levels().find(({ level }) => level === 'SANDBOX_L1_NAMESPACE');

/** Why programs cannot be run on this machine, for the name of what is skipped. */
export const sandboxMissing: string | undefined = report?.ready === true ? undefined : `(${report?.reason ?? 'no L1'})`;

export const testRunner: SandboxRunner & { sent: SandboxJobInput[] } = {
  sent: [],
  levels: async () => (await (opened ??= open())).levels(),
  run: async (job, signal) => {
    testRunner.sent.push(job);
    return (await (opened ??= open())).run(sandboxJobSchema.parse(job), uuidv7(), signal);
  },
};

/** At the end of a file; another file opens it again. */
export async function closeTestRunner(): Promise<void> {
  const last = opened;
  opened = undefined;
  await (await last)?.[Symbol.asyncDispose]();
}
