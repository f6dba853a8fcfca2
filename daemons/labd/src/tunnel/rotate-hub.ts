/** The steps of the hub's change of its keys (K8), as an operator asks for them and as time brings them. */
import type { Tunnel } from '@labmesh/tunnel/tunnel';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { HubRotationView } from '@labmesh/wire/tunnel';
import type { HubRotation } from './hub-rotation.ts';

type End = Pick<Tunnel, 'addOwnKey' | 'beginWith' | 'removeOwnKey' | 'setPrivateKey' | 'peers'>;

/** Names in a refusal. */
const shownMax = 10;

function refuse(waiting: readonly string[], what: string): never {
  const more = waiting.length > shownMax ? ` and ${waiting.length - shownMax} more` : '';
  throw new FleetError('CONFLICT', {
    message: `${what}: ${waiting.slice(0, shownMax).join(', ')}${more}`,
    hint: 'without --now it goes on by itself; labctl tunnel status shows for whom it waits, and until when',
  });
}

/** The old pair is deleted; nobody is answered with it any more. Undefined before the promotion. */
function finish(rotation: HubRotation, end: End): HubRotationView | undefined {
  const last = rotation.view();
  const old = rotation.finish();
  if (last === undefined || old === undefined) return undefined;
  end.beginWith(rotation.current);
  end.removeOwnKey(old.index);
  return { ...last, phase: 'done', dueAt: null, waiting: [], waitingCount: 0 };
}

function underWay(rotation: HubRotation): HubRotationView {
  const view = rotation.view();
  if (view === undefined) throw new Error('no rotation is under way');
  return view;
}

/** After the promotion, and again while the device refuses. @throws what the device says */
async function giveKey(rotation: HubRotation, end: End): Promise<void> {
  const key = rotation.keyForDevice;
  if (key === undefined) return;
  await end.setPrivateKey(key);
  rotation.deviceHasKey();
}

/** Begins a rotation or shows the one that is under way; `now`: its next phase at once. @throws FleetError CONFLICT */
export async function rotateHub(rotation: HubRotation, end: End, now: boolean): Promise<HubRotationView> {
  const wasUnderWay = rotation.isUnderWay;
  end.addOwnKey(await rotation.begin());
  const waiting = await rotation.lookWaiting(end.peers());
  const view = underWay(rotation);
  if (!now) return view;
  await giveKey(rotation, end);
  if (view.phase === 'promoted') {
    if (waiting.length > 0) refuse(waiting, 'the old key cannot go yet, these peers exchange with it');
    return finish(rotation, end) ?? view;
  }
  const begun = wasUnderWay ? '' : 'the next key is announced, and ';
  if (waiting.length > 0) refuse(waiting, `${begun}these nodes have not taken it yet`);
  rotation.promote();
  await giveKey(rotation, end);
  return underWay(rotation);
}

/** The next phase, if its time has come. */
export async function followRotation(rotation: HubRotation, end: End): Promise<void> {
  await giveKey(rotation, end);
  await rotation.lookWaiting(end.peers());
  if (!rotation.isDue) return;
  if (rotation.next === undefined) finish(rotation, end);
  else {
    rotation.promote();
    await giveKey(rotation, end);
  }
}
