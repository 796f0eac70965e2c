"""Twenty sentences in each of seven languages, with their entities, cut into tokens by hand.

A space or "·" ends a token; the latter stands for no space in the text. [words|LABEL] is an entity.
"""

import re

from spacy.tokens import Doc
from spacy.vocab import Vocab

SENTENCES = {
    "zh": """
我·在·[北京|LOC]·见到·了·[李明|PER]·。
[李明|PER]·去·了·[上海|LOC]·。
[王芳|PER]·在·[青禾·公司|ORG]·上班·。
昨天·[广州|LOC]·下·了·一·场·大雨·。
[陈静|PER]·把·花·送给·[张伟|PER]·。
我·用·[Fenwick|ORG]·的·手机·。
[南京·大学|ORG]·在·[南京|LOC]·。
[刘洋|PER]·和·[赵敏|PER]·都·住·在·[成都|LOC]·。
[绿田·集团|ORG]·今年·搬到·了·[深圳|LOC]·。
请·把·信·寄给·[孙丽|PER]·。
[周杰|PER]·说·[杭州|LOC]·的·茶·很·好·。
这·家·店·是·[吴刚|PER]·开·的·。
[郑爽|PER]·从·[西安|LOC]·坐·火车·来·。
[海风·银行|ORG]·的·总部·在·[天津|LOC]·。
老师·[何平|PER]·退休·了·。
[高山|PER]·爬上·了·高山·。
[苏州|LOC]·、·[无锡|LOC]·都·很·近·。
[林涛|PER]·买·了·5·kg·米·。
他·在·“·[春草·书店|ORG]·”·工作·。
[马丽|PER]·喜欢·[昆明|LOC]·的·天气·。
""",
    "ja": """
[田中|PER]·さん·は·[東京|LOC]·に·住ん·で·いる·。
[佐藤·花子|PER]·が·[大阪|LOC]·へ·行っ·た·。
[青葉·工業|ORG]·は·[名古屋|LOC]·に·ある·。
昨日·、·[鈴木|PER]·に·会っ·た·。
[京都|LOC]·の·庭·は·静か·だ·。
[山本|PER]·は·[みどり·銀行|ORG]·で·働く·。
[札幌|LOC]·から·[仙台|LOC]·まで·電車·で·行く·。
先生·の·[高橋|PER]·が·来·た·。
[フェンウィック|ORG]·の·本社·は·[横浜|LOC]·だ·。
[伊藤|PER]·と·[渡辺|PER]·は·友達·です·。
[福岡|LOC]·で·[小林|PER]·が·花·を·売る·。
「·[春·の·本屋|ORG]·」·が·開い·た·。
[加藤|PER]·は·コーヒー·を·飲む·。
[広島|LOC]·は·雨·だっ·た·。
[吉田|PER]·の·犬·は·大きい·。
[アクメ|ORG]·は·新しい·車·を·作る·。
[奈良|LOC]·の·鹿·は·元気·だ·。
[松本|PER]·さん·、·[神戸|LOC]·は·どう·です·か·。
[星野·製菓|ORG]·の·菓子·を·買っ·た·。
[中村|PER]·が·[長崎|LOC]·で·生まれ·た·。
""",
    "ko": """
[김민수|PER]·는 [서울|LOC]·에서 일한다·.
[이지은|PER]·이 [부산|LOC]·으로 갔다·.
[푸른숲 은행|ORG]·은 [대전|LOC]·에 있다·.
어제 [박영희|PER]·를 만났다·.
[제주도|LOC]·의 바람·은 세다·.
[최진호|PER]·와 [정수빈|PER]·은 친구·다·.
[펜윅|ORG]·의 본사·는 [인천|LOC]·에 있다·.
[강다은|PER]·이 꽃·을 샀다·.
[한빛 출판사|ORG]·에서 책·을 냈다·.
[윤서준|PER]·은 [광주|LOC]·에서 왔다·.
선생님 [조은별|PER]·께서 말했다·.
[대구|LOC]·는 여름·에 덥다·.
[임하늘|PER]·의 개·는 작다·.
[새봄 대학교|ORG]·는 [전주|LOC]·에 있다·.
[오지훈|PER]·이 [수원|LOC]·까지 걸었다·.
[아크메|ORG]·가 새 차·를 만든다·.
[울산|LOC]·에 비·가 온다·.
[서유리|PER]·는 차·를 마신다·.
“·[바다 서점|ORG]·”·이 열렸다·.
[신동우|PER]·는 [강릉|LOC]·을 좋아한다·.
""",
    "th": """
[สมชาย|PER]·อยู่·ที่·[เชียงใหม่|LOC]
[มาลี|PER]·ไป·[กรุงเทพ|LOC]·เมื่อวาน
[ธนาคาร·ใบไม้|ORG]·อยู่·ใน·[ขอนแก่น|LOC]
ฉัน·พบ·[อนงค์|PER]·ที่·ตลาด
[ภูเก็ต|LOC]·มี·ฝน·มาก
[วิชัย|PER]·กับ·[สุดา|PER]·เป็น·เพื่อน·กัน
[บริษัท·ดาวเหนือ|ORG]·ขาย·รถ
ครู·[ปรีชา|PER]·เกษียณ·แล้ว
[กมล|PER]·ซื้อ·ดอกไม้·ที่·[ลำปาง|LOC]
[เฟนวิค|ORG]·มี·สำนักงาน·ใน·[ระยอง|LOC]
[นภา|PER]·ดื่ม·ชา
[อยุธยา|LOC]·เป็น·เมือง·เก่า
สุนัข·ของ·[มานะ|PER]·ตัว·เล็ก
[พิมพ์|PER]·มา·จาก·[น่าน|LOC]
[ร้าน·ฟ้าใส|ORG]·เปิด·แล้ว
[เอก|PER]·เดิน·ไป·[สงขลา|LOC]
[ชลบุรี|LOC]·อยู่·ใกล้·ทะเล
[ดาว|PER]·ชอบ·อากาศ·ที่·[เลย|LOC]
[ทองคำ|PER]·ขาย·ทองคำ
จดหมาย·ถึง·[กิตติ|PER]·หาย
""",
    "ar": """
سافر [كريم|PER] إلى [القاهرة|LOC]·.
تعمل [ليلى|PER] في [شركة النخيل|ORG]·.
زار [سامي|PER] مدينة [دمشق|LOC]·.
المطر غزير في [بيروت|LOC] اليوم·.
اشترى [خالد|PER] سيارة جديدة·.
[بنك الواحة|ORG] يقع في [عمّان|LOC]·.
قابلت [فاطمة|PER] أمس·.
[يوسف|PER] و·[مريم|PER] صديقان·.
وصل القطار إلى [الرباط|LOC]·.
كتبت [هدى|PER] رسالة إلى [نبيل|PER]·.
تقع [تونس|LOC] على البحر·.
[فينويك|ORG] شركة كبيرة·.
المعلم [رشيد|PER] تقاعد·.
يسكن [عمر|PER] في [الخرطوم|LOC]·.
باعت [سلمى|PER] الزهور·.
افتتحت [مكتبة الفجر|ORG] أبوابها·.
الطقس جميل في [مسقط|LOC]·.
كلب [طارق|PER] صغير·.
جاء [حسن|PER] من [بغداد|LOC]·.
تحب [نور|PER] الشاي·.
""",
    "hi": """
[अनीता|PER] [दिल्ली|LOC] में रहती है·।
[राजेश|PER] कल [मुंबई|LOC] गया·।
[हरियाली बैंक|ORG] [जयपुर|LOC] में है·।
मैंने [सुनीता|PER] को देखा·।
[कोलकाता|LOC] में बहुत बारिश हुई·।
[मोहन|PER] और [गीता|PER] दोस्त हैं·।
[फेनविक|ORG] एक बड़ी कंपनी है·।
अध्यापक [विनोद|PER] सेवानिवृत्त हुए·।
[किरण|PER] ने [पुणे|LOC] में फूल खरीदे·।
[चेन्नई|LOC] समुद्र के पास है·।
[प्रिया|PER] चाय पीती है·।
[नई सुबह प्रकाशन|ORG] ने किताब छापी·।
[अर्जुन|PER] [वाराणसी|LOC] से आया·।
[दीपक|PER] ने दीपक जलाया·।
[लखनऊ|LOC] की गलियाँ पुरानी हैं·।
[मीरा|PER] का कुत्ता छोटा है·।
[संजय|PER] [शिमला|LOC] तक पैदल गया·।
[नीला सागर|ORG] नई गाड़ी बनाती है·।
चिट्ठी [कविता|PER] के लिए है·।
[भोपाल|LOC] झीलों का शहर है·।
""",
    "de": """
[Jürgen Müller|PER] reiste nach [Zürich|LOC]·.
[Käthe Böhm|PER] wohnt in [Köln|LOC]·.
Die [Grünwald Bäckerei|ORG] liegt in [Düsseldorf|LOC]·.
Gestern traf ich [Jörg Weiß|PER]·.
In [München|LOC] regnet es·.
[Bärbel Groß|PER] kauft Äpfel·.
[Fenwick GmbH|ORG] baut in [Fürth|LOC]·.
Der Lehrer [Günther Köhler|PER] ist müde·.
[Südhof|ORG] und [Nordhöfe|ORG] liefern Gemüse·.
[Sören Krüger|PER] fährt nach [Göttingen|LOC]·.
Das Café [„·Zur Mühle·“|ORG] öffnet um acht·.
[Anneliese Schröder|PER] malt·.
Von [Lübeck|LOC] nach [Schwäbisch Hall|LOC] ist es weit·.
[Änne Öztürk|PER] mag [Tübingen|LOC]·.
Frau [Höfer|PER] schreibt an Herrn [Jäger|PER]·.
Die [Müller·-·Lüdenscheidt AG|ORG] wächst·.
[Würzburg|LOC] hat eine Brücke·.
[Björn|PER] füttert die Kühe·.
Am [Bodensee|LOC] blüht es früh·.
[Grete Fuß|PER] sucht den Schlüssel·.
""",
}


def read_sentences(language):
    """Yields a `Doc` and its entities: first token, the one after the last, label."""
    for line in SENTENCES[language].strip().splitlines():
        words, spaces, entities = [], [], []
        # brackets and labels stand for no text, and a blank inside of an entity ends a token as well
        start = 0
        for piece in re.findall(r"\[|\|[A-Z]+\]|·| |[^\[\]|· ]+", line):
            if piece == "[":
                start = len(words)
            elif piece.startswith("|"):
                entities.append((start, len(words), piece[1:-1]))
            elif piece in "· ":
                spaces[-1] = piece == " "
            else:
                words.append(piece)
                spaces.append(False)
        yield Doc(Vocab(), words=words, spaces=spaces), entities
