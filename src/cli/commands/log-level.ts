import { Option } from 'commander'

/** How much a process says on standard error. */
export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'what is logged on standard error, as JSON lines')
    .choices(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
}
