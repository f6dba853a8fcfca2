/** The program `labman`: the operator's word to the node of this machine. */
import { readFileSync } from 'node:fs';
import { OptionsError, parseOptions, renderHelp } from '@labmesh/kit/options';
import type { Life } from '@labmesh/kit/run';
import { groupedFingerprint } from '@labmesh/tunnel/tunnel-text';
import { TunnelKeyError } from '@labmesh/tunnel/keys/tunnel-key-error';
import { LabmandError } from './ask-labmand.ts';
import { joinConplane } from './join.ts';
import { type LabmanFlags, labmanHelp, labmanOptions } from './labman-options.ts';
import { tunnelVerbs } from './tunnel-verbs.ts';

const print = (text: string) => void process.stdout.write(text);
const usage = 2;

function join({ tokenFile, config }: LabmanFlags): number {
  if (tokenFile === undefined) throw new LabmandError('labman join --token-file FILE (- for stdin)', usage);
  const text = readFileSync(tokenFile === '-' ? 0 : tokenFile, 'utf8');
  const { onboarding, config: path, tokenFile: kept } = joinConplane(text, config ?? '/etc/labman/labman.toml');
  print(`${path} and ${kept} written\n`);
  print(`Conplane   ${onboarding.url}${onboarding.ca_sha256 === undefined ? '' : `, CA ${onboarding.ca_sha256}`}\n`);
  if (onboarding.rp_sha256 !== undefined) print(`hub        Rosenpass ${groupedFingerprint(onboarding.rp_sha256)}\n`);
  print('next: name your servers below [[endpoints]], then start labmand\n');
  return 0;
}

async function run(flags: LabmanFlags, [noun, verb, ...words]: readonly string[]): Promise<number> {
  if (noun === 'join' && verb === undefined) return join(flags);
  const found = noun === 'tunnel' && Object.hasOwn(tunnelVerbs, verb ?? '') ? tunnelVerbs[verb ?? ''] : undefined;
  if (found !== undefined) return found({ flags, words, print });
  const known = `tunnel ${Object.keys(tunnelVerbs).join('|')}, join`;
  throw new LabmandError(`expected one of ${known}; see --help`, usage);
}

/** Gives the exit code: 0 done, 1 refused or not post-quantum, 2 usage, 3 settings or keys, 6 labmand is not reached. */
export async function labmanMain(argv: string[], _life: Life): Promise<number> {
  try {
    const { values: flags, positionals } = parseOptions(labmanOptions, { argv, env: process.env, positionalsMax: 3 });
    if (!flags.help && positionals.length > 0) return await run(flags, positionals);
    print(renderHelp(labmanOptions, labmanHelp));
    return flags.help ? 0 : usage;
  } catch (error) {
    const isKnown = [OptionsError, LabmandError, TunnelKeyError].some((kind) => error instanceof kind);
    if (!isKnown) throw error;
    const { message, exitCode } = error as Error & { exitCode: number };
    process.stderr.write(`labman: ${message}\n`);
    return exitCode;
  }
}
