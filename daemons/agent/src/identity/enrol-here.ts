/** `lab-agent enroll`: the machine's first identity, by a join token (JT-3, JT-8). */
import { mkdirSync, readFileSync } from 'node:fs';
import { OptionsError } from '@labmesh/kit/options';
import { type AgentOptions, agentUrls } from '../agent-options.ts';
import { writeStatus } from '../write-status.ts';
import { AgentIdentity } from './agent-identity.ts';
import { machineFacts } from './machine-facts.ts';

/** Where the token comes from: a file, stdin, or the command line, which others on this machine can read. */
async function readToken(options: AgentOptions): Promise<string> {
  if (options.token !== undefined) {
    process.stderr.write(
      'lab-agent: warning: others on this machine can read a token on the command line; use --token-file\n',
    );
    return options.token;
  }
  if (options.tokenFile === undefined)
    throw new OptionsError({ source: '--token-file', exitCode: 2 }, 'a join token is required; - reads it from stdin');
  const text = options.tokenFile === '-' ? await Bun.stdin.text() : readFileSync(options.tokenFile, 'utf8');
  return text.trim();
}

/** Enrols this machine; gives the line to show. @throws OptionsError for settings, FleetError with labd's code. */
export async function enrolHere(options: AgentOptions, version: string): Promise<string> {
  const { caPin, stateDir, hostname } = options;
  const [url] = agentUrls(options);
  if (url === undefined || caPin === undefined)
    throw new OptionsError(
      { source: '--url', exitCode: 2 },
      '--url and --ca-pin are required; `labctl create token` prints the whole line',
    );
  if ((await AgentIdentity.open(stateDir)) !== undefined) {
    throw new OptionsError(
      { source: stateDir, exitCode: 3 },
      'this machine has an identity already; `lab-agent uninstall` removes it',
    );
  }
  const token = await readToken(options);
  // Readable from the first moment: it may have to wait for its turn or for a network.
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  writeStatus({ options }, { state: 'enrolling', sessions: 0 });
  const enrolled = AgentIdentity.enrol(stateDir, { url, caPin, token }, machineFacts(options, version));
  const identity = await enrolled.finally(() => writeStatus({ options }, { state: 'stopped', sessions: 0 }));
  return `enrolled as ${hostname} (server ${identity.serverId}); now: lab-agent run, or lab-agent install\n`;
}

/** The identity of this machine; enrolled now when the settings hold all it takes. @throws OptionsError, FleetError. */
export async function identityOf(options: AgentOptions, version: string): Promise<AgentIdentity> {
  const found = await AgentIdentity.open(options.stateDir);
  if (found !== undefined) return found;
  if (options.tokenFile === undefined && options.token === undefined) {
    throw new OptionsError(
      { source: options.stateDir, exitCode: 3 },
      'this machine is not enrolled; `labctl create token` prints the line to do it',
    );
  }
  await enrolHere(options, version);
  const made = await AgentIdentity.open(options.stateDir);
  if (made === undefined) throw new Error('the identity that was just made is gone');
  return made;
}
