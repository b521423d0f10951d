"""The words of the page, in English and Chinese, and the choice of the language.

The code has the English texts. What only the log has words for, such as an error or a reason, is
shown as the log shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ENGLISH, CHINESE = "en", "zh-CN"
"""The languages that there are, as HTML names them."""

_BY_PREFIX = {"en": ENGLISH, "zh": CHINESE, "*": ENGLISH}

_RANGE = re.compile(
    r"\s*(?P<tag>\*|[a-z]{1,8}(?:-[a-z\d]{1,8})*)\s*"
    r"(?:;\s*q\s*=\s*(?P<weight>0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?",
    re.ASCII | re.IGNORECASE,
)

_CHINESE = {
    # The head.
    "not started": "未启动",
    "starting": "正在启动",
    "running": "运行中",
    "stopping": "正在停止",
    "Bots connected: {count}": "已连接机器人：{count}",
    "Nothing is down.": "没有中断。",
    "Connections down: {count}": "中断的连接：{count}",
    "Bots gone: {count}": "断开的机器人：{count}",
    "Failed in the last five minutes: {count}": "最近五分钟的失败：{count}",
    "The event loop was late by {seconds}": "事件循环延迟了 {seconds}",
    "File descriptors in use: {used} of {limit}": "已用文件描述符：{used} / {limit}",
    "The certificate expires {when}": "证书有效期：{when}",
    "The certificate has expired": "证书已过期",
    "{count} problems": "{count} 个问题",
    "1 problem": "1 个问题",
    "Load": "负载",
    "Calls": "API 调用",
    "Process": "进程",
    "Bots": "机器人",
    "Warnings": "警告",
    "Contents": "目录",
    # What is down.
    "Down now": "当前中断",
    "Connections that the bot makes": "由机器人发起的连接",
    "Bots that have gone": "断开的机器人",
    "connecting": "正在连接",
    "waiting": "等待重连",
    "ended": "已结束，不会重试",
    "down {lasting}": "中断{lasting}",
    "attempts: {count}": "已尝试：{count}",
    "next attempt {when}": "下次尝试：{when}",
    "gone {lasting}": "断开{lasting}",
    "{count} more are not shown.": "还有 {count} 个未显示。",
    # Load.
    "The last five minutes, for each second": "最近五分钟，每秒",
    "Webhooks": "Webhook",
    "Messages in": "收到的消息",
    "Messages out": "发出的消息",
    "API calls": "API 调用",
    "Failures": "失败",
    "now {count}": "当前 {count}",
    "highest {count}": "最高 {count}",
    "{name} a second in the last five minutes: now {latest}, highest {highest}": (
        "最近五分钟每秒的{name}：当前 {latest}，最高 {highest}"
    ),
    # Counts.
    "API calls, since the start": "启动以来的 API 调用",
    "Work, since the start": "启动以来的任务",
    "Refused, since the start": "启动以来被拒绝的请求",
    "Adapters, since the start": "启动以来的适配器",
    "failed: {count}": "失败：{count}",
    "ok: {count}": "成功：{count}",
    "4xx: {count}": "4xx：{count}",
    "5xx: {count}": "5xx：{count}",
    "no answer: {count}": "无响应：{count}",
    "No calls have been made.": "还没有调用。",
    "in flight: {count}": "进行中：{count}",
    "cut off: {count}": "被中断：{count}",
    "handler": "处理函数",
    "hook": "钩子",
    "HTTP handler": "HTTP 处理函数",
    "WebSocket handler": "WebSocket 处理函数",
    "event": "事件",
    "Nothing has been refused.": "没有被拒绝的请求。",
    "an unknown adapter": "未知适配器",
    "other": "其他",
    "webhooks: {counts}": "webhook：{counts}",
    "messages: {received} in, {sent} out": "消息：收到 {received}，发出 {sent}",
    "Neither webhooks nor messages have come in.": "还没有收到 webhook 或消息。",
    # The process.
    "Running for": "已运行",
    "Event loop late by": "事件循环延迟",
    "at most {seconds} in the last minute": "最近一分钟最多 {seconds}",
    "File descriptors": "文件描述符",
    "{used} of {limit}": "{used} / {limit}",
    "{up} of {all} connected": "已连接 {up} / {all}",
    "Webhooks in work": "处理中的 webhook",
    "Certificate": "证书",
    "expires {when}": "{when} 过期",
    "expired {when}": "已于 {when} 过期",
    "Versions": "版本",
    "unknown": "未知",
    # Bots.
    "Bot": "机器人",
    "Since": "连接于",
    "Messages": "消息",
    "reverse WebSocket": "反向 WebSocket",
    "forward WebSocket": "正向 WebSocket",
    "polling": "轮询",
    "To search, add ?q= and a part of an id, an adapter or a way to the address, such as": (
        "要搜索，请在地址后加上 ?q= 和机器人 id、适配器或连接方式的一部分，例如"
    ),
    "Found for “{query}”: {total}": "“{query}”的结果：{total}",
    "Show all": "显示全部",
    "No bot is connected.": "没有已连接的机器人。",
    "Page {page} of {pages}": "第 {page} 页，共 {pages} 页",
    "First": "第一页",
    "Previous": "上一页",
    "Next": "下一页",
    "Last": "最后一页",
    # Warnings.
    "The last warnings, latest first": "最近的警告，最新的在前",
    "There are no warnings.": "没有警告。",
    "bot {id}": "机器人 {id}",
    "peer {address}": "对端 {address}",
    # The foot.
    "As of {when}.": "截至 {when}。",
    "This page reloads every {seconds} s.": "本页每 {seconds} 秒自动刷新。",
    "Stop reloading": "停止刷新",
    "This page does not reload.": "本页不会自动刷新。",
    "Reload it by itself": "自动刷新",
    # Times.
    "for {duration} (since {when})": "已 {duration}（自 {when} 起）",
    "{number} s ago": "{number} 秒前",
    "{number} min ago": "{number} 分钟前",
    "{number} h ago": "{number} 小时前",
    "{number} days ago": "{number} 天前",
    "in {number} s": "{number} 秒后",
    "in {number} min": "{number} 分钟后",
    "in {number} h": "{number} 小时后",
    "in {number} days": "{number} 天后",
    "{number} s": "{number} 秒",
    "{number} min": "{number} 分钟",
    "{number} h": "{number} 小时",
    "{number} days": "{number} 天",
}


def choose_language(accepted: str) -> str:
    """Choose the language by ``Accept-Language`` (RFC 9110, section 12.5.4).

    It is the one that is liked best; of equal ones the first, and English without any.

    All Chinese ones, such as zh-TW, mean the one that there is. What is malformed is ignored.
    """
    weights: dict[str, float] = {}
    for language, weight in _ranges(accepted):
        weights[language] = max(weight, weights.get(language, 0.0))
    best = max(weights, key=weights.__getitem__, default=ENGLISH)
    return best if weights.get(best) else ENGLISH


def _ranges(accepted: str) -> Iterator[tuple[str, float]]:
    for each in accepted.split(","):
        found = _RANGE.fullmatch(each)
        if found and (language := _BY_PREFIX.get(found["tag"].partition("-")[0].lower())):
            yield language, float(found["weight"] or 1)


class Texts:
    """Gives the texts of one language.

    Attributes:
        language: The language, as HTML names it.
    """

    def __init__(self, language: str = ENGLISH) -> None:
        """Make the texts of a language."""
        self.language = language
        self._translations = _CHINESE if language == CHINESE else {}

    def __call__(self, text: str, **values: object) -> str:
        """Give a text, with values in the places of its names; what is unknown stays English."""
        translated = self._translations.get(text, text)
        return translated.format(**values) if values else translated
