/** Text from outside (model names, engine texts) for a terminal: control characters become `?`, on one line. */
export function safeText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what must not reach the terminal
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?');
}
