/**
 * sd_notify(3) through `systemd-notify`, as the runtime has no unix datagrams (AG-10): READY at the start, the state as
 * status, and the watchdog's beat as long as the event loop turns. Outside systemd it does nothing.
 */
const beatMs = 20_000;

function notify(...words: string[]): void {
  // A beat that is lost is followed by the next; one that cannot be sent ends in systemd's restart, which is its purpose.
  Bun.spawn(['systemd-notify', `--pid=${process.pid}`, ...words], {
    stdout: 'ignore',
    stderr: 'ignore',
    stdin: 'ignore',
  }).unref();
}

export function tellReady(state: () => string): Disposable {
  if (process.env['NOTIFY_SOCKET'] === undefined || Bun.which('systemd-notify') === null)
    return { [Symbol.dispose]: () => {} };
  notify('--ready', `--status=${state()}`);
  const timer = setInterval(() => notify('WATCHDOG=1', `--status=${state()}`), beatMs);
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      notify('--stopping');
    },
  };
}
