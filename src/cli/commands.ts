import type { Command } from 'commander'

type MakeCommand = () => Command

/**
 * Every command, in the order in which they are shown; each with what its module needs, loaded when it is asked for: a gateway's agent runs for years
 * on a small machine, and has no use for the others.
 */
export const COMMANDS: Readonly<Record<string, () => Promise<MakeCommand>>> = {
  init: async () => (await import('./commands/init.ts')).initCommand,
  up: async () => (await import('./commands/up.ts')).upCommand,
  edge: async () => (await import('./commands/edge.ts')).edgeCommand,
  core: async () => (await import('./commands/core.ts')).coreCommand,
  validate: async () => (await import('./commands/validate.ts')).validateCommand,
  config: async () => (await import('./commands/config.ts')).configCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  source: async () => (await import('./commands/source.ts')).sourceCommand,
  gateway: async () => (await import('./commands/gateway.ts')).gatewayCommand,
  batch: async () => (await import('./commands/batch.ts')).batchCommand,
  dead: async () => (await import('./commands/dead.ts')).deadCommand,
  alerts: async () => (await import('./commands/alerts.ts')).alertsCommand,
  partitions: async () => (await import('./commands/partitions.ts')).partitionsCommand,
  tail: async () => (await import('./commands/tail.ts')).tailCommand,
  console: async () => (await import('./commands/console.ts')).consoleCommand,
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand,
  where: async () => (await import('./commands/where.ts')).whereCommand,
  top: async () => (await import('./commands/top.ts')).topCommand,
  devices: async () => (await import('./commands/devices.ts')).devicesCommand,
  simulate: async () => (await import('./commands/simulate.ts')).simulateCommand,
  capture: async () => (await import('./commands/capture.ts')).captureCommand,
  'replay-capture': async () => (await import('./commands/capture.ts')).replayCaptureCommand,
  test: async () => (await import('./commands/test.ts')).testCommand,
  replay: async () => (await import('./commands/replay.ts')).replayCommand,
  acls: async () => (await import('./commands/acls.ts')).aclsCommand,
  ca: async () => (await import('./commands/ca.ts')).caCommand,
  enroll: async () => (await import('./commands/enroll.ts')).enrollCommand,
  plan: async () => (await import('./commands/plan.ts')).planCommand,
  health: async () => (await import('./commands/health.ts')).healthCommand,
  rollback: async () => (await import('./commands/rollback.ts')).rollbackCommand,
  completion: async () => (await import('./commands/completion.ts')).completionCommand,
}

/** What these arguments need: the command that they name, or all where they name none, or one that speaks of all. */
export function commandsFor(args: readonly string[]): Promise<MakeCommand[]> {
  const [name = ''] = args
  const named = Object.hasOwn(COMMANDS, name) && name !== 'completion' ? COMMANDS[name] : undefined
  return Promise.all((named ? [named] : Object.values(COMMANDS)).map(load => load()))
}
