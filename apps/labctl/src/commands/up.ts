import type { Endpoint } from '@labmesh/inference/registry/endpoint';
import { createLogger } from '@labmesh/kit/log';
import { defineCommand, type World } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { dataFolderPath } from '../data-folder.ts';
import { paint } from '../terminal/paint.ts';
import { startProgress } from '../terminal/progress.ts';
import { compose, type Running } from '../up/compose.ts';
import { modelPath } from '../up/own-engine.ts';
import { wantedParts } from '../up/parts.ts';
import { announce } from '../up/ready/announce.ts';
import { readyFacts, readyLine } from '../up/ready/ready-facts.ts';
import { readyScreen } from '../up/ready/ready-screen.ts';
import { readUpFile } from '../up/read-up-file.ts';
import { upOptions, type UpValues } from '../up/up-options.ts';

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
