/** Whether the CA that answers is the one that is meant: by its pin, or by somebody who compared it (JT-6). */
import { pinnedRoots } from '@labmesh/pki/pin';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { fetchBundle, pinsOf } from './fetch-bundle.ts';

export type Trust = {
  /** The roots that match, PEM. */
  bundlePem: string;
  pins: string;
};

export type TrustQuestion = {
  url: string;
  /** Undefined: nobody has said yet whom to trust. */
  pins: string | undefined;
  timeoutMs: number;
  world: World;
};

const pinRequired = (url: string) =>
  new CommandError(`the CA of ${url} is not known here (CA_PIN_REQUIRED)`, {
    hint: '--ca-pin PIN; labctl ca status on the server, and the line that create user printed, name it',
    code: 'CA_PIN_REQUIRED',
    exitCode: exitCodes.notConfigured,
  });

async function askPerson({ url, world }: TrustQuestion, pins: string): Promise<void> {
  if (!world.stdinIsTerminal || !world.stderrIsTerminal) throw pinRequired(url);
  const list = pins.split(',').map((pin) => `  ${pin}\n`);
  world.stderr(`The CA of ${url} is not known here. It shows:\n${list.join('')}`);
  const answer = await world.ask('Compare this with labctl ca status on the server. Is it the same? Type yes: ');
  if (answer?.trim().toLowerCase() === 'yes') return;
  throw new CommandError('not trusted, nothing was sent', { exitCode: exitCodes.failed });
}

/**
 * Roots to verify labd by. Only the bundle was asked for so far; a secret may be sent once this has returned.
 * @throws CommandError: exit 3 CA_PIN_REQUIRED, 6 when no root has the pin or nobody answers
 */
export async function settleTrust(question: TrustQuestion): Promise<Trust> {
  const { url, pins, timeoutMs, world } = question;
  const bundlePem = await fetchBundle(url, { timeoutMs, signal: world.life.signal });
  const shown = pinsOf(bundlePem) ?? '';
  if (pins === undefined) {
    await askPerson(question, shown);
    return { bundlePem, pins: shown };
  }
  const roots = pinnedRoots(bundlePem, pins);
  if (roots !== undefined) return { bundlePem: roots, pins };
  throw new CommandError(`${url} shows another CA than the one that is pinned`, {
    hint: `it shows ${shown}; do not go on unless you know why: a new installation, a wrong address, or somebody in between`,
    exitCode: exitCodes.unreachable,
  });
}
