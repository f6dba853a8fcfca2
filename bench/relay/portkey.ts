import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../report.ts';
import { freePort, StartedProcess } from '../started-process.ts';
import type { Target, TargetSetup } from './target.ts';

const packageName = '@portkey-ai/gateway';
const portkeyVersion = '1.15.2';
/**
 * Its range allows 1.19, whose light Response keeps fetch's immutable headers; under that every stream of Portkey fails
 * with 500. The 1.13 line is the newest we saw stream, and its JSON is no dearer.
 */
const honoNodeServerVersion = '1.13.8';
const installTimeoutMs = 120_000;

/**
 * The peer: an AI gateway in JavaScript, fetched from npm on demand into `bench/.cache`, never a dependency of ours.
 * Throws Error when npm, node or the package cannot be had.
 */
export async function startPortkey(setup: TargetSetup, owned: AsyncDisposableStack): Promise<Target> {
  const node = Bun.which('node');
  if (node === null) throw new Error('node is not installed');
  const script = installPortkey();
  const port = freePort();
  const command = [node, '--import', loopbackOnly, script, '--headless', `--port=${port}`];
  // Production mode leaves out its log console, which would cost it CPU that is not the relay's.
  const env = { NODE_ENV: 'production' };
  const started = owned.use(
    new StartedProcess({ name: 'portkey', command, core: setup.core, folder: setup.folder, env }),
  );
  await started.listening(port);
  const headers = [
    'Authorization: Bearer sk-bench',
    'x-portkey-provider: openai',
    `x-portkey-custom-host: http://127.0.0.1:${setup.upstreamPort}/v1`,
  ];
  const url = `http://127.0.0.1:${port}/v1`;
  return { name: 'portkey', url, headers, model: 'bench-model', process: started, version: portkeyVersion };
}

/** It has no flag for the address and listens on all of them; a bench opens nothing to the network. */
const loopbackOnly = `data:text/javascript,${encodeURIComponent(`
import net from 'node:net';
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, host, ...rest) {
  return typeof port === 'number' ? listen.call(this, port, '127.0.0.1', ...rest) : listen.call(this, port, host, ...rest);
};
`)}`;

/** Path of its server script, installed when it is not there yet. Install scripts of others are not run. */
function installPortkey(): string {
  const cache = join(repositoryRoot, 'bench/.cache/portkey');
  const script = join(cache, 'node_modules', packageName, 'build/start-server.js');
  if (existsSync(script)) return script;
  const dependencies = { [packageName]: portkeyVersion };
  const overrides = { '@hono/node-server': honoNodeServerVersion };
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, 'package.json'), JSON.stringify({ private: true, dependencies, overrides }));
  const command = ['npm', 'install', '--prefix', cache, '--ignore-scripts', '--no-audit', '--no-fund'];
  const { success, stderr } = Bun.spawnSync(command, { cwd: cache, timeout: installTimeoutMs });
  if (!success || !existsSync(script))
    throw new Error(`npm could not fetch it: ${stderr.toString().trim().slice(-300)}`);
  return script;
}
