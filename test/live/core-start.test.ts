import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { TcpProxy } from '../link/tcp-proxy.ts'
import { HeadraceProcess, statusOf } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'

describe('a core that is started while Kafka is not there', () => {
  let folder: string
  let proxy: TcpProxy
  let core: HeadraceProcess

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'headrace-start-'))
    // Nobody listens there: who connects is cut off.
    proxy = await TcpProxy.open(await freePort())
    const config = join(folder, 'core.yaml')
    const url = `amqp://127.0.0.1:${await freePort()}`
    writeFileSync(
      config,
      `state: ${folder}/core\nlog: { kafka: { brokers: ["127.0.0.1:${proxy.port}"] } }\ningress: { listen: "${url}" }\n`,
    )
    core = new HeadraceProcess({ name: 'core', args: ['core', '--config', config], logPath: join(folder, 'core.log') })
    core.start()
    await until('it says that it tries again', () => said().includes('it is tried again'))
  })
  afterEach(async () => {
    await core.end()
    await proxy.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const said = () => {
    try {
      return readFileSync(join(folder, 'core.log'), 'utf8')
    } catch {
      return ''
    }
  }

  test('waits for it, says why, and takes gateways once it is there', async () => {
    expect(said()).toContain(`127.0.0.1:${proxy.port}`)
    proxy.redirect(Number(inject('kafkaBootstrap').split(':').at(-1)))
    await until('it has started', () => said().includes('core started'))
    expect(await statusOf(['--config', join(folder, 'core.yaml')])).toMatchObject({ running: true })
    expect(await core.stop()).toBe(0)
  })

  test('ends in order when it is asked to meanwhile', async () => {
    expect(await core.stop()).toBe(0)
    expect(said()).not.toContain('core started')
  })
})
