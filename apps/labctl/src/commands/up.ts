import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import { createLogger } from '@labmesh/kit/log';
import { defineCommand, type World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { dataFolderPath } from '../data-folder.ts';
import { productVersion } from '../product-version.ts';
import { paint } from '../terminal/paint.ts';
import { startProgress } from '../terminal/progress.ts';
import { safeText } from '../terminal/safe-text.ts';
import { compose, type Running } from '../up/compose.ts';
import { modelPath } from '../up/own-engine.ts';
import { wantedParts } from '../up/parts.ts';
import { type FleetFacts, readyScreen, type ReadyFacts } from '../up/ready-screen.ts';
import { readUpFile, upOptions, type UpValues } from '../up/up-options.ts';
import { waitForState } from '../up/wait-for-state.ts';

/** A server found later gets this long to tell its models before it is announced. */
const announceMs = 5_000;

/** Where an endpoint lives. The engine's own address would only mislead: it has a key of its own. */
function placeOf({ spec }: Endpoint): string {
  return spec.origin === 'builtin' ? '(built-in engine)' : spec.baseUrl;
}

/** Servers of the settings file that cannot be used now: silence about them would read as "all is well". */
function downNotes(registry: Running['registry']): string[] {
  return registry.endpoints
    .filter((endpoint) => !registry.usable(endpoint))
    .map((endpoint) => {
      const reason = endpoint.reason === undefined ? '' : ` (${endpoint.reason})`;
      return `${endpoint.spec.name} at ${placeOf(endpoint)} is ${endpoint.state}${reason}; it joins when it answers`;
    });
}

/** Gathers what the ready screen shows. */
function readyFacts({ gateway, fleet, registry, notes }: Running): ReadyFacts {
  return {
    api: gateway?.api,
    key: gateway?.firstKey ?? { text: '', file: '', created: false },
    models: gateway?.models() ?? [],
    places: new Map(registry.endpoints.map((endpoint) => [endpoint.spec.name, placeOf(endpoint)])),
    fleet: fleet satisfies FleetFacts | undefined,
    notes: [...notes, ...downNotes(registry)],
    wildcard: gateway?.isWildcard ?? false,
    version: productVersion,
    startedInMs: performance.now(),
  };
}

/** The one line of `--json`: models with the names of their endpoints. The key is null when none is needed. */
function readyLine({ gateway, fleet, registry, notes: given }: Running): string {
  const notes = [...given, ...downNotes(registry)];
  const ready = {
    ready: true,
    ...(gateway !== undefined && { api: gateway.api, key: gateway.firstKey.text || null, models: gateway.models() }),
    ...(fleet !== undefined && {
      fleet: {
        api: fleet.api,
        agents: fleet.agents,
        server: fleet.server ?? null,
        context: fleet.context?.name ?? null,
      },
    }),
    ...(notes.length > 0 && { notes }),
  };
  return `${JSON.stringify(ready)}\n`;
}

/** Says which server joined, once it has told its models. */
async function announce(endpoint: Endpoint, running: Running, world: World): Promise<void> {
  await waitForState(running.registry, endpoint, announceMs);
  const count = endpoint.models.size;
  const models = count === 1 ? '1 model' : `${count} models`;
  world.stdout(safeText(`found ${endpoint.spec.name} at ${placeOf(endpoint)}: ${models}`) + '\n');
}

/**
 * Lets open streams end, for a while; a second Ctrl-C ends the process before that. Told on stderr: stdout belongs to
 * the ready line.
 */
async function windDown({ gateway, drain }: Running, values: UpValues, world: World): Promise<void> {
  const open = gateway?.inFlight ?? 0;
  const streams = (count: number) => (count === 1 ? '1 open stream' : `${count} open streams`);
  world.stderr(
    open === 0
      ? 'stopping: no open streams\n'
      : `draining ${streams(open)} (up to ${values.drainS} s, Ctrl-C again to stop now)\n`,
  );
  const cut = await drain(values.drainS * 1_000);
  if (cut > 0) world.stderr(`${streams(cut)} did not end in time and was cut\n`);
}

export const up = defineCommand({
  name: 'up',
  summary:
    'Starts one OpenAI-compatible API over the LLM servers of this machine and those of the settings file. Without any, ' +
    'a small demo model is served. Beside it labd runs, with this machine as its first server: labctl exec works at once.',
  usage: 'labctl up [options]',
  examples: [
    'labctl up',
    'labctl up --port 0 --json',
    'labctl up --model ~/models/qwen.gguf',
    'labctl up --config labmesh.toml',
    'labctl up --only labd,agent',
  ],
  options: upOptions,
  positionalsMax: 0,
  readFile: readUpFile,
  async run({ values: given, sources, world, file }) {
    if (given.model !== undefined && given.demo === true) {
      throw new CommandError('--demo and --model exclude each other', { hint: 'leave one out', exitCode: 2 });
    }
    const parts = wantedParts(given);
    const values =
      given.model === undefined ? given : { ...given, model: modelPath(given.model, sources.model, file?.path) };
    const progress = startProgress(world);
    // A log line in the middle of the progress line would be unreadable.
    const write = (line: string) => {
      progress.end();
      world.stderr(`${line}\n`);
    };
    const format = values.logFormat ?? (world.stderrIsTerminal ? 'pretty' : 'json');
    const log = createLogger({ level: values.logLevel, format, write });
    const dataDir = dataFolderPath(values.data, world.env);
    const { stopped } = world.life;
    try {
      const onFound = (endpoint: Endpoint) => {
        if (!values.json) void announce(endpoint, running, world);
      };
      const input = { world, dataDir, values, parts, file, log, onStep: progress.step, onFound };
      await using running: Running = await compose(input);
      progress.end();
      const facts = readyFacts(running);
      world.stdout(values.json ? readyLine(running) : readyScreen(facts, paint(world.colourOut), values.openAccess));
      // A drain asked for over the API ends the process too: without its listener it has nothing left to do.
      await Promise.race(running.gateway === undefined ? [stopped] : [stopped, running.gateway.drained]);
      await windDown(running, values, world);
    } finally {
      progress.end();
    }
    world.stderr('stopped\n');
  },
});
