import type { Environment } from '../command.ts';

/** Opens the address where a desktop is; elsewhere, and when that fails, the person opens what was shown. */
export function openBrowser(url: string, env: Environment): void {
  const isMac = process.platform === 'darwin';
  if (!isMac && !env['DISPLAY'] && !env['WAYLAND_DISPLAY']) return;
  const [program, ...words] = env['BROWSER'] ? [env['BROWSER']] : [isMac ? 'open' : 'xdg-open'];
  try {
    Bun.spawn([program, ...words, url], { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' }).unref();
  } catch {
    // Not installed.
  }
}
