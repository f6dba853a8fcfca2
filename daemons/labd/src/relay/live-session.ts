import type { ChannelRelay } from '@labmesh/link/channel-relay';
import type { Open } from '@labmesh/wire/frame/open';
import type { Policies } from '../access/policies.ts';
import type { DenyList } from '../ca/deny-list.ts';
import type { FleetServer, FleetView } from '../hub/fleet-view.ts';
import type { Caller } from '../login/caller.ts';
import type { SessionRecording } from '../recordings/session-recording.ts';
import type { World } from '../settings/world.ts';
import type { Route } from './routes.ts';
import type { BeginParts } from './session-record.ts';

/** A session whose relay is here. */
export type LiveSession = {
  relay: ChannelRelay;
  caller: Caller;
  open: Open;
  /** What an attach is attached to. */
  attached?: Open | undefined;
  server: FleetServer;
  route: Route;
  startedAt: number;
  recording: SessionRecording | undefined;
  /** Its place in the bounds; freed at the end. */
  place: Disposable | undefined;
  /** clock.now() since when no client is there. */
  desertedAt: number | undefined;
  /** Its row says that it is detached. */
  isMarked?: boolean;
};

export type LiveSessionsParts = BeginParts & {
  policies: Policies;
  denyList: DenyList;
  view: FleetView;
  clock: World['clock'];
  log: World['log'];
  orphanTtlMs: number;
};
