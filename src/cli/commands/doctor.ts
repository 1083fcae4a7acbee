import { Command, InvalidArgumentError } from 'commander'
import type { Finding } from '../../doctor/finding.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import { parseDurationMs } from '../../runtime/units.ts'
import { durationOption, wholeNumber } from '../arguments.ts'
import { EXIT, print, printJson } from '../output.ts'

interface DoctorOptions {
  readonly config?: string
  readonly state?: string
  readonly json?: true
  readonly torture?: true
  readonly yes?: true
  readonly for: number
  readonly out: string
  readonly seed?: number
}

const TORTURE_MS = { min: 20_000, usual: 60_000 }
const MARK = { ok: 'ok     ', warning: 'warning', error: 'ERROR  ' } as const

export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'Looks at this machine and what it is connected to, and says what to do. Changes nothing. Exit code 1 where there is an error.',
    )
    .option('--config <file>', 'edge.yaml or core.yaml: devices, certificates, the core or Kafka are looked at too')
    .option(
      '--state <directory>',
      'without a configuration, or with a pipeline file: the state directory; ./.headrace unless set',
    )
    .option('--json', 'for programs')
    .option(
      '--torture',
      'kills, freezes and cuts off processes of a scratch pipeline of its own on your disk, before your log, and writes a report',
    )
    .option('--yes', 'with --torture: do it; without, it is only said what would be done')
    .addOption(durationOption('--for <duration>', 'with --torture: for how long', duration, TORTURE_MS.usual))
    .option('--seed <number>', 'with --torture: the faults of an earlier run again', wholeNumber)
    .option('--out <directory>', 'with --torture: where the report goes', 'torture-report')
    .addHelpText(
      'after',
      '\nExamples:\n  headrace doctor --config /etc/headrace/edge.yaml\n  headrace doctor --torture --config /etc/headrace/core.yaml --for 2m --yes',
    )
    .action(async (options: DoctorOptions) => {
      if (options.torture) {
        process.exitCode = await runTorture(options)
        return
      }
      const { examine } = await import('../examine.ts')
      const { config, state = './.headrace' } = options
      const findings = await examine({ state, ...(config !== undefined && { config }) })
      if (options.json) printJson({ findings })
      else printFindings(findings)
      if (findings.some(({ severity }) => severity === 'error')) process.exitCode = EXIT.failed
    })
}

async function runTorture({ config, state = './.headrace', yes, json, for: forMs, seed, out }: DoctorOptions): Promise<number> {
  if (config === undefined) {
    throw new HeadraceError('config_invalid', '--torture needs --config', {
      advice:
        'Name a core.yaml (its log is tried), an edge.yaml (its disk and buffer) or a pipeline file (as `headrace up` runs it).',
    })
  }
  const { torture } = await import('../torture.ts')
  const report = await torture({
    config,
    state,
    forMs,
    out,
    consent: yes === true,
    seed: seed ?? Math.floor(Math.random() * 2 ** 31),
    say: json ? () => {} : print,
  })
  if (!report) return EXIT.done
  const { hasPassed, reportJson } = await import('../../doctor/report.ts')
  if (json) printJson(reportJson(report))
  return hasPassed(report) ? EXIT.done : EXIT.failed
}

function printFindings(findings: readonly Finding[]): void {
  for (const { check, severity, message, advice } of findings) {
    print(`${MARK[severity]} ${check}: ${message}`)
    if (advice !== undefined) print(`        ${advice}`)
  }
  const count = (severity: Finding['severity']) => {
    const many = findings.filter(each => each.severity === severity).length
    return `${many} ${severity}${many === 1 ? '' : 's'}`
  }
  print(`\n${findings.length} looked at, ${count('error')}, ${count('warning')}`)
}

function duration(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === undefined || ms < TORTURE_MS.min) throw new InvalidArgumentError('Write a duration of 20s or more, such as 2m.')
  return ms
}
