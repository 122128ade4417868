"""Names and things for word problems, as parallel lists in English and Chinese with one entry per meaning.

No name or thing is a prefix of a word that follows it in a template, and the Chinese things of one
list share a measure word, so that any of them can be used in the same sentence.
"""

from __future__ import annotations

from tasks.problems.machinery.slots import Words

NAMES = Words(
    en=(
        "Alice", "Ben", "Carla", "Daniel", "Elena", "Farid", "Grace", "Hugo", "Ines", "Jamal", "Keiko", "Liam",
        "Maria", "Noah", "Olivia", "Priya", "Quentin", "Rosa", "Samuel", "Tara", "Umar", "Vera", "Wendy", "Yusuf",
    ),
    zh=(
        "小明", "小红", "小华", "小丽", "小刚", "小芳", "小军", "小燕", "小强", "小玲", "李雷", "韩梅", "王芳", "张伟",
        "刘洋", "陈静", "赵磊", "孙悦", "周涛", "吴倩", "郑凯", "林娜", "何敏", "高翔",
    ),
)  # fmt: skip

# counted with 个 in Chinese
FRUITS = Words(
    en=("apples", "oranges", "pears", "peaches", "lemons", "mangoes", "plums", "kiwis", "coconuts", "melons"),
    zh=("苹果", "橙子", "梨", "桃子", "柠檬", "芒果", "李子", "猕猴桃", "椰子", "甜瓜"),
)
SNACKS = Words(
    en=("muffins", "bagels", "sandwiches", "cupcakes", "buns", "pies", "donuts", "croissants"),
    zh=("松饼", "面包圈", "三明治", "纸杯蛋糕", "包子", "馅饼", "甜甜圈", "羊角面包"),
)
TOYS = Words(
    en=("balls", "kites", "yo-yos", "dolls", "puzzles", "robots", "spinning tops", "toy cars"),
    zh=("皮球", "风筝", "溜溜球", "布娃娃", "拼图", "机器人", "陀螺", "玩具车"),
)
# counted with 支
PENS = Words(
    en=("pencils", "pens", "markers", "crayons", "brushes", "highlighters"),
    zh=("铅笔", "钢笔", "马克笔", "蜡笔", "毛笔", "荧光笔"),
)
# counted with 本
BOOKS = Words(
    en=("notebooks", "novels", "dictionaries", "comic books", "atlases", "sketchbooks"),
    zh=("笔记本", "小说", "词典", "漫画书", "地图册", "素描本"),
)
# counted with 件
GARMENTS = Words(
    en=("jacket", "sweater", "shirt", "coat", "raincoat", "vest", "T-shirt", "dress shirt"),
    zh=("夹克", "毛衣", "衬衫", "大衣", "雨衣", "背心", "T恤", "礼服衬衫"),
)
COLOURS = Words(
    en=("red", "blue", "green", "yellow", "white", "black", "brown", "purple"),
    zh=("红", "蓝", "绿", "黄", "白", "黑", "棕", "紫"),
)
VEHICLES = Words(
    en=("car", "bus", "truck", "train", "motorcycle", "van"),
    zh=("小汽车", "公共汽车", "卡车", "火车", "摩托车", "面包车"),
)
