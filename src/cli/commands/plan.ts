import { Command, InvalidArgumentError } from 'commander'
import { EXIT, table } from '../output.ts'
import { planPartitions, REPLICAS_PER_BROKER_MAX } from '../partition-plan.ts'

export function planCommand(): Command {
  return new Command('plan')
    .description('Counts the partitions and replicas that pipelines need, against what the brokers carry.')
    .argument('<pipeline.yaml...>', 'pipeline files')
    .option('--gateways <n>', 'gateways that run them', count, 1)
    .option('--brokers <n>', 'brokers of the cluster', count, 3)
    .option('--replication <n>', 'copies of each partition', count, 3)
    .option('--replicas-per-broker <n>', 'what one broker may carry', count, REPLICAS_PER_BROKER_MAX)
    .option('--json', 'as JSON', false)
    .addHelpText('after', '\nExample:\n  headrace plan cold-store.yaml --gateways 400 --brokers 3')
    .action(async (files: string[], options: PlanOptions) => {
      const { loadPipelines } = await import('../../config/load.ts')
      const plan = planPartitions({ pipelines: loadPipelines(files), ...options })
      if (options.json) process.stdout.write(`${JSON.stringify(plan, null, 2)}\n`)
      else {
        const rows = plan.topics.map(({ topic, sources, partitions, replicas }) => [topic, sources, partitions, replicas])
        process.stdout.write(`${table(['topic', 'sources', 'partitions', 'replicas'], rows)}\n\n`)
        process.stdout.write(
          `${plan.replicas} replicas on ${options.brokers} brokers: ${plan.replicasPerBroker} each, ${plan.replicasPerBrokerMax} are allowed. ${plan.fits ? 'It fits.' : 'It does not fit.'}\n`,
        )
        for (const line of plan.advice) process.stdout.write(`${line}\n`)
      }
      if (!plan.fits) process.exitCode = EXIT.failed
    })
}

interface PlanOptions {
  readonly gateways: number
  readonly brokers: number
  readonly replication: number
  readonly replicasPerBroker: number
  readonly json: boolean
}

function count(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1 || value > 1_000_000)
    throw new InvalidArgumentError('write a whole number from 1 on.')
  return value
}
