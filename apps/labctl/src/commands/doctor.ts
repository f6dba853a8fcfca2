import { defineOptions } from '@labmesh/kit/options';
import { defineCommand } from '../command.ts';
import { dataOption, jsonOption } from '../common-options.ts';
import { dataFolderPath } from '../data-folder.ts';
import { checkFleet } from '../doctor/check-fleet.ts';
import { checkFolder } from '../doctor/check-folder.ts';
import { checkPort, checkServers } from '../doctor/check-network.ts';
import { checkProgram } from '../doctor/check-program.ts';
import { checkSettings } from '../doctor/check-settings.ts';
import { checkSigningKeys } from '../doctor/check-signing-keys.ts';
import type { Finding } from '../doctor/finding.ts';
import { paint, type Paint } from '../terminal/paint.ts';
import { safeText } from '../terminal/safe-text.ts';

const options = defineOptions({
  config: {
    type: 'string',
    flag: 'config',
    short: 'c',
    placeholder: 'FILE',
    help: 'settings to check; default as for labctl up',
  },
  port: {
    type: 'integer',
    flag: 'port',
    short: 'p',
    min: 0,
    max: 65_535,
    placeholder: 'N',
    help: 'port to check; default as for labctl up',
  },
  context: {
    type: 'string',
    flag: 'context',
    placeholder: 'NAME',
    help: 'context of the fleet to check; default the one in force',
  },
  ...dataOption,
  ...jsonOption,
});

/** A line a check, and below it the way out. */
function show(findings: readonly Finding[], { green, yellow, red, dim }: Paint): string {
  const mark = { ok: green('ok  '), warn: yellow('warn'), fail: red('fail') };
  const columns = Math.max(...findings.map(({ name }) => name.length));
  const lines = findings.flatMap(({ state, name, text, fix }) => [
    `${mark[state]}  ${name.padEnd(columns)}  ${safeText(text)}`,
    ...(fix === undefined ? [] : [`      ${' '.repeat(columns)}  ${dim(`→ ${safeText(fix)}`)}`]),
  ]);
  return `${lines.join('\n')}\n`;
}

export const doctor = defineCommand({
  name: 'doctor',
  summary:
    'Looks at versions, ports, folders, settings, servers and the service of signing keys, and, where a labd is set up, at the way to it: name, port, TLS, CA, login, clocks. Tells the way out of what is wrong. Exit code 1 when something fails.',
  usage: 'labctl doctor [--data DIR] [--config FILE] [--port N] [--context NAME] [--json]',
  examples: ['labctl doctor', 'labctl doctor --json | jq \'.checks[] | select(.state != "ok")\''],
  options,
  positionalsMax: 0,
  async run({ values, world }) {
    const dataDir = dataFolderPath(values.data, world.env);
    // Given on as words, so that settings are read exactly as `labctl up` reads them.
    const settingsWords = [
      ...(values.config === undefined ? [] : [`--config=${values.config}`]),
      ...(values.port === undefined ? [] : [`--port=${values.port}`]),
      ...(values.data === undefined ? [] : [`--data=${values.data}`]),
    ];
    const settings = await checkSettings(settingsWords, world.env);
    const folder = checkFolder(dataDir);
    const servers = await checkServers(folder.ownPort === undefined ? [] : [folder.ownPort]);
    const checks = [
      ...checkProgram(),
      settings.finding,
      ...folder.findings,
      checkPort(settings.port, folder.ownPort),
      ...servers,
      ...(await checkSigningKeys(values, world)),
      ...(await checkFleet(world, values.context)),
    ];
    const fine = checks.every(({ state }) => state !== 'fail');
    world.stdout(values.json ? `${JSON.stringify({ ok: fine, checks })}\n` : show(checks, paint(world.colourOut)));
    return fine ? 0 : 1;
  },
});
