#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { hideSecrets } from '../runtime/hide-secrets.ts'
import { aclsCommand } from './commands/acls.ts'
import { alertsCommand } from './commands/alerts.ts'
import { batchCommand } from './commands/batch.ts'
import { caCommand } from './commands/ca.ts'
import { captureCommand, replayCaptureCommand } from './commands/capture.ts'
import { completionCommand } from './commands/completion.ts'
import { configCommand } from './commands/config.ts'
import { consoleCommand } from './commands/console.ts'
import { coreCommand } from './commands/core.ts'
import { deadCommand } from './commands/dead.ts'
import { devicesCommand } from './commands/devices.ts'
import { doctorCommand } from './commands/doctor.ts'
import { edgeCommand } from './commands/edge.ts'
import { enrollCommand } from './commands/enroll.ts'
import { gatewayCommand } from './commands/gateway.ts'
import { healthCommand } from './commands/health.ts'
import { initCommand } from './commands/init.ts'
import { partitionsCommand } from './commands/partitions.ts'
import { planCommand } from './commands/plan.ts'
import { replayCommand } from './commands/replay.ts'
import { rollbackCommand } from './commands/rollback.ts'
import { simulateCommand } from './commands/simulate.ts'
import { sourceCommand } from './commands/source.ts'
import { statusCommand } from './commands/status.ts'
import { tailCommand } from './commands/tail.ts'
import { testCommand } from './commands/test.ts'
import { topCommand } from './commands/top.ts'
import { upCommand } from './commands/up.ts'
import { validateCommand } from './commands/validate.ts'
import { whereCommand } from './commands/where.ts'
import { EXIT, report } from './output.ts'
import { BUILD, VERSION } from './version.ts'

const program = new Command('headrace')
  .description('An edge-to-core data pipeline: from the device to the Kafka partition, in order, exactly once.')
  .version(`${VERSION} (build ${BUILD}, Node ${process.versions.node}, ${process.platform}-${process.arch})`)
  .showSuggestionAfterError()
  .exitOverride()

for (const command of [
  initCommand,
  upCommand,
  edgeCommand,
  coreCommand,
  validateCommand,
  configCommand,
  statusCommand,
  sourceCommand,
  gatewayCommand,
  batchCommand,
  deadCommand,
  alertsCommand,
  partitionsCommand,
  tailCommand,
  consoleCommand,
  doctorCommand,
  whereCommand,
  topCommand,
  devicesCommand,
  simulateCommand,
  captureCommand,
  replayCaptureCommand,
  testCommand,
  replayCommand,
  aclsCommand,
  caCommand,
  enrollCommand,
  planCommand,
  healthCommand,
  rollbackCommand,
  completionCommand,
]) {
  program.addCommand(careful(command().exitOverride()))
}

/** What commander says of arguments repeats them: one may be a token in the wrong place. */
function careful(command: Command): Command {
  command.configureOutput({ writeErr: text => void process.stderr.write(hideSecrets(text)) })
  for (const sub of command.commands) careful(sub)
  return command
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.wrongInput
  else process.exitCode = report(error)
}
// What a command left running would keep the process from ending: it has said that it is done.
process.stdout.write('', () => process.exit())
