import { expect, test } from 'vitest'
import { Sessions } from '../../src/console/sessions.ts'
import { type KnownUser, Users } from '../../src/console/users.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

const ADDRESSES_MAX = 10_000

class OneUser extends Users {
  override async authenticate(name: string, password: string): Promise<KnownUser | undefined> {
    return password === 'right' ? { user: { name, role: 'operator' }, mark: '' } : undefined
  }
}

test('failures from ten thousand addresses keep people out for a minute: it was until the process was started anew', async () => {
  const clock = new SimulatedClock()
  const sessions = new Sessions({ users: new OneUser(''), clock, isTls: false })
  for (let at = 0; at < ADDRESSES_MAX; at++)
    await expect(sessions.logIn(`2001:db8::${at.toString(16)}`, 'anna', 'wrong')).rejects.toMatchObject({ status: 401 })
  await expect(sessions.logIn('10.0.0.1', 'anna', 'right')).rejects.toMatchObject({ status: 429 })
  await clock.pass(60_000)
  expect(await sessions.logIn('10.0.0.1', 'anna', 'right')).toMatchObject({ user: { name: 'anna' } })
})
