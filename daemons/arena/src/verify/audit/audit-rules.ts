/** What the security audit knows by itself (verification BR2). */
export const severities = ['low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof severities)[number];

/** Rules by their names in the field: those with B are bandit's. */
export const auditRules: Readonly<Record<string, { severity: Severity; text: string }>> = {
  B307: { severity: 'high', text: 'eval of Python' },
  B102: { severity: 'high', text: 'exec of Python' },
  B605: { severity: 'high', text: 'a command line through a shell' },
  B602: { severity: 'high', text: 'a process with shell=True' },
  B301: { severity: 'medium', text: 'pickle of foreign bytes' },
  B506: { severity: 'medium', text: 'YAML without a safe loader' },
  B105: { severity: 'medium', text: 'a password or key in the text' },
  B311: { severity: 'low', text: 'random numbers that are no secrets' },
  B101: { severity: 'low', text: 'assert, which -O takes out' },
  sql_injection: { severity: 'critical', text: 'SQL put together from values' },
  format_injection: { severity: 'high', text: 'a format over all names in reach' },
  inner_html: { severity: 'high', text: 'HTML put together from values' },
  js_eval: { severity: 'high', text: 'eval of JavaScript' },
  shell_eval: { severity: 'high', text: 'eval of bash' },
  shell_pipe: { severity: 'high', text: 'a shell that is fed by another program' },
};
