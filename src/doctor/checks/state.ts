import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readMarks } from '../../buffer/marks.ts'
import { control } from '../../console/control-client.ts'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import { error, type Finding, ok, warning } from '../finding.ts'

interface Running {
  readonly version: string
  readonly alarms: readonly { readonly message: string; readonly advice: string }[]
}

/** What a process left in its part of the state directory, and what the one that runs says. `role`: edge or core. */
export async function checkState(stateDir: string, role: string, version: string): Promise<Finding[]> {
  const findings: Finding[] = []
  if (role === 'edge') {
    try {
      readMarks(join(stateDir, 'marks.json'))
    } catch (cause) {
      const advice = cause instanceof HeadraceError ? (cause.advice ?? '') : ''
      findings.push(error('state', messageOf(cause), advice))
    }
  }
  const running = await ask(join(stateDir, 'control.sock'))
  if (running === undefined) return [...findings, ok('process', `no ${role} runs with its state in ${stateDir}`)]
  findings.push(
    running.version === version
      ? ok('version', `the ${role} that runs is ${version}, as this command`)
      : warning(
          'version',
          `the ${role} that runs is ${running.version}, this command ${version}`,
          'Start it again, so that the new version runs.',
        ),
  )
  if (running.alarms.length === 0) findings.push(ok('process', `the ${role} runs, without alarms`))
  return [...findings, ...running.alarms.map(({ message, advice }) => error('alarm', message, advice))]
}

async function ask(socket: string): Promise<Running | undefined> {
  if (!existsSync(socket)) return undefined
  try {
    return await control<Running>(socket, 'status')
  } catch (cause) {
    if (cause instanceof HeadraceError && cause.code === 'not_running') return undefined
    return {
      version: 'unknown',
      alarms: [{ message: `it does not answer: ${messageOf(cause)}`, advice: 'Look at its log; start it again.' }],
    }
  }
}
