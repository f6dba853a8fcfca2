/** A macro: runs when this program is bundled, or loaded from its sources, and leaves the text of the guest program. */
export function bundleGuest(): string {
  const entry = `${import.meta.dir}/schema-guest.ts`;
  const { stdout, success } = Bun.spawnSync([process.execPath, 'build', entry, '--format=iife', '--minify'], {
    env: { ...process.env, BUN_BE_BUN: '1' },
  });
  if (!success) throw new Error('the program that checks schemas cannot be bundled');
  return stdout.toString();
}
