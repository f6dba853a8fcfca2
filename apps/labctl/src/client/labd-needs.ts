/** What it takes to reach labd, and what comes of it: apart, since the renewal of a login needs both as well. */
import type { World } from '../command.ts';
import type { Settings } from '../config/settings.ts';
import type { LabdProof, LabdTrust } from './labd-transport.ts';

export type LabdNeeds = {
  world: World;
  settings: Settings;
  /** --local. */
  local: boolean;
  /** For --verbose. */
  note: (text: string) => void;
};

/** For requests, and for the WebSockets of `exec` and `logs`. */
export type LabdAccess = { url: string; trust: LabdTrust; proof: LabdProof };
