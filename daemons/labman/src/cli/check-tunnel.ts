/** `labman tunnel check` and `labman pre`: what keeps this node from its hub, each with what mends it (A17). */
import { type CheckGround, checkGround } from './check/check-ground.ts';
import { farChecks } from './check/far-checks.ts';
import { type Finding, findingsText, isFine } from './check/finding.ts';
import { folderCheck, portChecks } from './check/folder-checks.ts';
import { localChecks } from './check/local-checks.ts';
import { runningNode } from './check/running-node.ts';
import type { LabmanFlags } from './labman-options.ts';
import { json, type Verb } from './verb.ts';

/** A right, a device or a setting is missing: systemd does not start labmand then. */
const preFailed = 5;

/** Fixes name tables as a file of the earlier program has them; in others they stand below `[labman]`. */
export function inFile({ fix, ...rest }: Finding, classic: boolean): Finding {
  return {
    ...rest,
    fix: classic || fix === null ? fix : fix.replace(/ below \[(?=wireguard|control_plane)/, ' below [labman.'),
  };
}

type Told = { flags: LabmanFlags; ground: CheckGround | undefined; print: (text: string) => void };

function told(found: readonly Finding[], { flags, ground, print }: Told): boolean {
  const findings = found.map((finding) => inFile(finding, ground?.config.classic !== false));
  const ok = isFine(findings);
  print(flags.json ? json({ ok, checks: findings }) : findingsText(findings));
  return ok;
}

export const check: Verb = async ({ flags, print }) => {
  const [{ finding, ground }, node] = await Promise.all([checkGround(flags), runningNode(flags.socket)]);
  const findings = [finding];
  if (ground !== undefined) {
    const [local, far] = await Promise.all([localChecks(ground, node), farChecks(ground, node)]);
    findings.push(...local, ...far);
  }
  return told(findings, { flags, ground, print }) ? 0 : 1;
};

/** ExecStartPre: the same, without the network, which may come up later. A labmand that runs has its ports itself. */
export const pre: Verb = async ({ flags, print }) => {
  const [{ finding, ground }, node] = await Promise.all([checkGround(flags), runningNode(flags.socket)]);
  const findings = [finding];
  if (ground !== undefined) {
    const ports = node === undefined ? portChecks(ground.config) : [];
    findings.push(folderCheck(ground.stateDir), ...ports, ...(await localChecks(ground, node)));
  }
  return told(findings, { flags, ground, print }) ? 0 : preFailed;
};
