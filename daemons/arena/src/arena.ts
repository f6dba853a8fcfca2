/**
 * The arena: takes answers apart, runs them, ranks them, signs what was proven (verification section 3).
 *
 *     gateway ──offer──▶ runs ──▶ generate (through the gateway) ──▶ verify (executor) ──▶ tournament ──▶ certify ──▶ pairs
 *
 * It runs no candidate code itself: that is the executor's, at the other end of `runner`.
 */
import { join } from 'node:path';
import { folderFiles } from '@labmesh/attest/keys/key-folder';
import { type ArenaHouse, type HouseParts, openArenaHouse } from './arena-house.ts';
import { type ArenaJudges, openArenaJudges } from './arena-judges.ts';
import { SeedProbes } from './generate/seed-probes.ts';
import { ToolBox } from './generate/tools/tool-box.ts';
import { openRuns, type Runs } from './runs/open-runs.ts';
import { arenaApp } from './serve/arena-app.ts';
import { issuerApp } from './serve/certificates/issuer-app.ts';
import { type ArenaAddress, serveArena, serveIssuer } from './serve/serve-arena.ts';

export type ArenaParts = HouseParts & {
  address: ArenaAddress;
  /** Shared with the gateway, both ways. */
  token: string;
  /** Of the gateway, without `/v1`. */
  gatewayUrl: string;
  /** PEM of the authority of its certificate; absent = those of the system. */
  gatewayCa?: string;
};

export type Arena = AsyncDisposable & { readonly runs: Runs; readonly port: number | null };

type RunPorts = Pick<ArenaJudges, 'generate' | 'judge'> & { seedProbes: SeedProbes; tools: ToolBox };

function runsOf(parts: ArenaParts, house: ArenaHouse, { generate, judge, seedProbes, tools }: RunPorts): Runs {
  const { store, settings, clock, log } = parts;
  const { verification, suites, issuer, pairs } = house;
  return openRuns({
    store,
    settings: settings.runs,
    log,
    clock,
    generate,
    seedProbes,
    tools,
    verification,
    judge,
    suites,
    certify: (run) => issuer.certify(run),
    onFinished: async (run, certificateId) => {
      await pairs.onFinished(run, certificateId);
    },
  });
}

/** Without it the arena has to be stopped before a key is revoked: no reason not to start. */
async function openIssuerSocket({ log }: ArenaParts, { folder, issuer }: ArenaHouse, stack: AsyncDisposableStack) {
  const app = issuerApp(issuer.revoker, (error) => log.error('a request of the issuer met a fault of ours', { error }));
  try {
    stack.use(await serveIssuer(app, join(folder, folderFiles.socket)));
  } catch (error) {
    log.warn('labctl cert cannot ask this arena', { error });
  }
}

/**
 * Opens folder, log and listener; runs that a process before this one left go on by themselves.
 * @throws AttestRefused LOG_LOCKED, SuiteRefused SUITE_UNREADABLE, SocketPlaceError, ArenaAddressError
 */
export async function openArena(parts: ArenaParts): Promise<Arena> {
  await using stack = new AsyncDisposableStack();
  const house = await openArenaHouse(parts, stack);
  await openIssuerSocket(parts, house, stack);
  const judges = openArenaJudges(parts, stack);
  const { store, clock, log, runner } = parts;
  const seedProbes = stack.use(new SeedProbes({ generate: judges.generate, clock, store }));
  const tools = stack.use(new ToolBox({ settings: parts.settings.tools, runner, clock, log }));
  const runs = stack.use(runsOf(parts, house, { ...judges, seedProbes, tools }));
  const { humanWeight, shadow } = parts.settings.runs;
  const { variations } = shadow;
  const submit: Runs['submit'] = (offer, signal) => runs.submit(offer, signal);
  const app = arenaApp({ ...parts, ...house, ...judges.known, tools, runs, submit, variations, humanWeight });
  const { port } = stack.use(await serveArena(app, parts.address));
  const open = stack.move();
  return { runs, port, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
