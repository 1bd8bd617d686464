import { BundleCampaign, type BundleContent, BundleScript, type ChangeItem, OrgSettings } from '@voiceoi/contracts';
import { Compile } from 'typebox/compile';

const checkCampaign = Compile(BundleCampaign);
const checkScript = Compile(BundleScript);
const checkSettings = Compile(OrgSettings);

interface Draft {
  readonly campaigns: Map<string, BundleCampaign>;
  readonly scripts: Map<string, BundleScript>;
  settings: OrgSettings;
}

/** Content with a revision's items put and deleted; undefined when an item has another shape. Secrets stand outside of it. */
export function applyItems(
  content: BundleContent,
  revision: number,
  items: readonly ChangeItem[],
): BundleContent | undefined {
  const draft: Draft = {
    campaigns: new Map(content.campaigns.map((campaign) => [campaign.id, campaign])),
    scripts: new Map(content.scripts.map((script) => [`${script.id}@${script.version}`, script])),
    settings: content.settings,
  };
  if (!items.every((item) => (item.op === 'delete' ? remove(draft, item) : put(draft, item)))) return undefined;
  return {
    ...content,
    revision,
    settings: draft.settings,
    campaigns: [...draft.campaigns.values()],
    scripts: [...draft.scripts.values()],
  };
}

function remove(draft: Draft, { kind, id }: ChangeItem): boolean {
  if (kind === 'campaign') draft.campaigns.delete(id);
  if (kind === 'script') draft.scripts.delete(id);
  return true;
}

function put(draft: Draft, { kind, id, object }: ChangeItem): boolean {
  if (kind === 'campaign' && checkCampaign.Check(object)) draft.campaigns.set(id, object);
  else if (kind === 'script' && checkScript.Check(object)) draft.scripts.set(id, object);
  else if (kind === 'settings' && checkSettings.Check(object)) draft.settings = object;
  else return kind === 'secret';
  return true;
}
